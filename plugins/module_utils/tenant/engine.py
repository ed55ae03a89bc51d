# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to the Docker Engine: silo's containers and their states."""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
import urllib.parse
from collections.abc import Mapping

from .stack import Container, StackError

SOCKET = "/var/run/docker.sock"
LABEL = "ch.swissphoto.silo"
TENANT = f"{LABEL}.tenant"
VERSION = "org.opencontainers.image.version"
TIMEOUT_SECONDS = 60
LOG_LINES = "1000"
LONGEST_LOG = 4 * 1024**2


class _Connection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(path: str, query: Mapping[str, str], socket_path: str = SOCKET) -> t.Any:
    """Return the engine's JSON answer to GET `path`; raises StackError with any other answer."""
    return json.loads(_read(path, query, socket_path))


def log(identity: str, socket_path: str = SOCKET) -> bytes:
    """Return the last lines that a container said, at most LONGEST_LOG bytes; raises StackError.

    The engine puts eight bytes of its own before each line.
    """
    query = {"stdout": "1", "stderr": "1", "tail": LOG_LINES}
    return _read(f"/containers/{identity}/logs", query, socket_path, LONGEST_LOG)


def _read(path: str, query: Mapping[str, str], socket_path: str, longest: int | None = None) -> bytes:
    connection = _Connection(socket_path)
    try:
        connection.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
        response = connection.getresponse()
        body = response.read(longest)
    except OSError as error:
        raise StackError(f"the Docker Engine does not answer at {socket_path}: {error}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise StackError(f"the Docker Engine answers {path} with {response.status}: {body.decode(errors='replace')}")
    return body


def health(status: str) -> str:
    """Return the health from the engine's status text, such as 'Up 3 minutes (healthy)'."""
    if "(health: starting)" in status:
        return "starting"
    for word in ("unhealthy", "healthy"):
        if f"({word})" in status:
            return word
    return ""


def parse(answer: list[dict[str, t.Any]], label: str = TENANT) -> list[Container]:
    """Return the containers of an answer to /containers/json; one-off containers of Compose are not among them.

    The value of their `label` is what they are told by.
    """
    containers = []
    for item in answer:
        labels = item["Labels"]
        if labels.get("com.docker.compose.oneoff") == "True":
            continue
        containers.append(
            Container(
                identity=item["Id"],
                name=item["Names"][0].lstrip("/"),
                tenant=labels[label],
                service=labels.get(f"{LABEL}.service", ""),
                digest=labels.get(f"{LABEL}.digest", ""),
                state=item["State"],
                health=health(item["Status"]),
                version=labels.get(VERSION, ""),
            )
        )
    return containers


def containers(socket_path: str = SOCKET, tenant: str = "", label: str = TENANT) -> list[Container]:
    """Return all containers of all tenants on this server, or of one, running or not, by one request.

    Those of what is no tenant have another `label`.
    """
    filters = json.dumps({"label": [f"{label}={tenant}" if tenant else label]})
    return parse(get("/containers/json", {"all": "1", "filters": filters}, socket_path), label)


def exit_code(container: Container, socket_path: str = SOCKET) -> int:
    """Return the code with which a container has ended; raises StackError."""
    return int(get(f"/containers/{container.identity}/json", {}, socket_path)["State"]["ExitCode"])


def main_process(container: Container, socket_path: str = SOCKET) -> int:
    """Return the pid of the container's main process on this host; 0 if it ended meanwhile."""
    try:
        return int(get(f"/containers/{container.identity}/json", {}, socket_path)["State"]["Pid"])
    except StackError:
        return 0
