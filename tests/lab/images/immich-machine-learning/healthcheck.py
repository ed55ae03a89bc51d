"""Healthy: /ping answers `pong` (as `python3 healthcheck.py` in the real image asks)."""

import os
import socket
import sys

host = os.environ.get("IMMICH_HOST", "").strip("[]")
port = int(os.environ.get("IMMICH_PORT", "3003"))
with socket.create_connection(("localhost" if host in ("", "::", "0.0.0.0") else host, port), timeout=2) as connection:  # noqa: S104
    connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
    answer = b""
    while block := connection.recv(4096):
        answer += block
sys.exit(0 if answer.endswith(b"pong") else 1)
