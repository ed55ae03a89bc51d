"""What a run knows of a tenant, and how a machine answers."""

from silo.ansible.results import TaskResult

HANS = {
    "host_name": "hans.swissphoto.ch",
    "desired": "running",
    "server": "silo1",
    "nas": "nas1",
    "index": 1,
    "quota_bytes": 1024,
    "disk_bytes": 20 << 30,
    "disk_inodes": 1000,
}


def told(**values):
    return TaskResult(values, 0.0, 1.0)
