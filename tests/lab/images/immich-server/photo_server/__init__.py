"""Stand-in for the Immich server, for the lab.

Keeps: the environment, the configuration file, the HTTP API that this project and the official command-line client use,
its status codes, and where the data lie: rows in PostgreSQL, jobs in Valkey, files and marker files under /data.
Does not keep: videos, faces, maps, sharing, search by metadata, database dumps, WebSockets, and the real web interface.
"""

VERSION = (3, 2, 2)
"""The release of Immich whose interface is kept."""
