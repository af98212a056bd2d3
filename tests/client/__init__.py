"""The endpoints, on real servers."""
