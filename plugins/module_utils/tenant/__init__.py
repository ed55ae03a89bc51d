"""Code that the modules of the tenants share; runs on the server."""
