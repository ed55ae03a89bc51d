"""Has photo servers do again what the shared machine learning missed, as Immich itself does not.

A job of Immich's that fails is not repeated. Traefik counts each request of a tenant to the machine learning and its
status, so who lost something is known without asking anybody; what is missing, each photo server finds itself.
"""
