"""Issues one-time links; runs on the server."""
