"""The only part that does I/O: what makes the steps of a flow."""
