"""What a real Kinto server does, over plain HTTP: the facts of docs/protocol.md."""
