"""What the modules of the tenants share; it runs on the server."""
