"""Restarts jobs that failed at the shared machine learning, because Immich itself does not retry them.

Traefik counts the requests of each tenant to the machine learning by their status. These counts name the affected
tenants; each photo server then finds its unprocessed pictures itself.
"""
