"""Checks of a server and its tenants, run on the server outside of the containers."""
