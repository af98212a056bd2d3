"""Every endpoint of a Kinto server, written once; the clients that ask them."""
