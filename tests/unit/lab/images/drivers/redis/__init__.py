"""What the stand-in for the photo server names of redis; no cache is behind it."""
