"""Sessions against a model of them: random programs, and what must be true after each step."""
