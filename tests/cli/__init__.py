"""What is for programs in a terminal."""
