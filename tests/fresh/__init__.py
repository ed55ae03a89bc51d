"""What is proved on a server that nobody has touched yet."""
