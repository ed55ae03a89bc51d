"""The gate before the machine learning: it lets pass what Immich asks, written anew, and nothing else.

Traefik adds the tenant to the path, so a client cannot choose it. The machine learning passes the options of a request
to its models, which all tenants share, and it has no security of its own.
"""
