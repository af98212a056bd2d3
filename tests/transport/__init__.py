"""What makes requests, on real sockets."""
