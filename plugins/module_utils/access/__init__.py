"""What issues a one-time link; it runs on the server."""
