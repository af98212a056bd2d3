"""The endpoints of a Kinto server."""
