"""What is proved on a server after all else was done to it."""
