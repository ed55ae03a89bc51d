"""What tells how much each tenant uses; it runs on the server."""
