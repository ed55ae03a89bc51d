"""Whether a server is fit to carry tenants, looked at on the server itself."""
