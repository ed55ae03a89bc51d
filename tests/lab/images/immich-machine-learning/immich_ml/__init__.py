"""Stand-in for Immich's machine learning service, for the lab.

Keeps: GET /, GET /ping, POST /predict with the real requests, answers and status codes, the same vector for the same
picture, and what options do to the models that all share. Does not keep: what is in a model. The vector is a small copy
of the picture, faces and text are never found.
"""
