"""What is looked at and found right or wrong: before something is done (preflight), and after it (verify)."""
