"""The models of the machine learning, as they lie on a server."""
