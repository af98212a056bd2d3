"""The kernel, with plain values: no test here does any I/O."""
