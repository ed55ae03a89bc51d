"""What the plugins of the tenants share; it runs on the controller."""
