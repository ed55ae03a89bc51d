"""Stand-in for Immich's machine learning service, for the lab.

Keeps: GET /, GET /ping, POST /predict with the real requests, answers and status codes, and the same vector for the
same picture. Does not keep: models. The vector is a small copy of the picture, faces and text are never found.
"""
