"""
The contestants: each module does the same work in its own way.

A piece of work is a function of a `Run`: it prepares what it needs, and measures the rest.
"""
