"""Whether what is promised to tenants holds, looked at on the server from outside of their containers."""
