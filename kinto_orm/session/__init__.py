"""The unit of work: what is loaded, what changed, how it is written, what became of it."""
