# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to the Docker Engine: silo's containers and their states."""

from __future__ import annotations

import http
import json
import time
import typing as t
import urllib.parse
from collections.abc import Mapping, Sequence

from ..common import http_client
from ..common.http_client import Answer, HttpError, Route
from ..common.text import printable
from .stack import Container, StackError

SOCKET = "/var/run/docker.sock"
LABEL = "ch.swissphoto.silo"
TENANT = f"{LABEL}.tenant"
VERSION = "org.opencontainers.image.version"
TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.05
# The last two are those to a start: it is done, or was done before.
ANSWERS = (http.HTTPStatus.OK, http.HTTPStatus.CREATED, http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED)
LOG_LINES = "1000"
# A tenant decides nothing of these answers, and the size of what it says to its health check is limited.
LONGEST = 16 * 1024**2
LONGEST_LOG = 4 * 1024**2


def get(path: str, query: Mapping[str, str], socket_path: str = SOCKET) -> t.Any:
    """Return the engine's JSON answer to GET `path`; raises StackError with any other answer."""
    try:
        return _read(path, query, socket_path, LONGEST).json()
    except ValueError as error:
        raise StackError(f"the Docker Engine's answer to {path} cannot be used: {error}") from error


def post(path: str, body: Mapping[str, object], socket_path: str = SOCKET) -> Answer:
    """Send JSON to the engine, and return its answer; raises StackError with any but success."""
    return _read(path, {}, socket_path, LONGEST, body)


def start(container: str, socket_path: str = SOCKET) -> None:
    """Start a container that is there, by its name or id; one that runs is left as it is. Raises StackError."""
    post(f"/containers/{container}/start", {}, socket_path)


def log(identity: str, socket_path: str = SOCKET) -> bytes:
    """Return the last lines that a container said, at most LONGEST_LOG bytes; raises StackError.

    The engine puts eight bytes of its own before each line.
    """
    query = {"stdout": "1", "stderr": "1", "tail": LOG_LINES}
    return _read(f"/containers/{identity}/logs", query, socket_path, LONGEST_LOG).body


def _read(
    path: str, query: Mapping[str, str], socket_path: str, longest: int, body: Mapping[str, object] | None = None
) -> Answer:
    url = f"http://localhost{path}?{urllib.parse.urlencode(query)}"
    try:
        answer = http_client.ask(
            url,
            method="GET" if body is None else "POST",
            body=None if body is None else json.dumps(body).encode(),
            headers={} if body is None else {"Content-Type": "application/json"},
            seconds=TIMEOUT_SECONDS,
            largest=longest,
            route=Route(unix=socket_path),
        )
    except HttpError as error:
        raise StackError(f"the Docker Engine does not answer at {socket_path}: {error}") from error
    if answer.status not in ANSWERS:
        raise StackError(f"the Docker Engine answers {path} with {answer.status}: {printable(answer.text)}")
    return answer


def health(status: str) -> str:
    """Return the health from the engine's status text, such as 'Up 3 minutes (healthy)'."""
    if "(health: starting)" in status:
        return "starting"
    for word in ("unhealthy", "healthy"):
        if f"({word})" in status:
            return word
    return ""


def _address(item: Mapping[str, t.Any]) -> str:
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    return next((found for network in networks.values() if (found := network.get("IPAddress"))), "")


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
                address=_address(item),
                image=item.get("Image", ""),
            )
        )
    return containers


def containers(socket_path: str = SOCKET, tenant: str = "", label: str = TENANT) -> list[Container]:
    """Return all containers of all tenants on this server, or of one, running or not, by one request.

    Those of what is no tenant have another `label`.
    """
    filters = json.dumps({"label": [f"{label}={tenant}" if tenant else label]})
    return parse(get("/containers/json", {"all": "1", "filters": filters}, socket_path), label)


def inspect(container: Container, socket_path: str = SOCKET) -> t.Any:
    """Return all that the engine says of a container; raises StackError."""
    return get(f"/containers/{container.identity}/json", {}, socket_path)


def check(container: Container, details: t.Any, seconds: int, socket_path: str = SOCKET) -> bool:
    """Return whether the container's own health check, run in it now, succeeds within `seconds`.

    `details` are those of `inspect`; raises LookupError and TypeError for others, and StackError.
    """
    kind, *words = details["Config"]["Healthcheck"]["Test"]
    command: Sequence[str] = words if kind == "CMD" else ("/bin/sh", "-c", *words)
    # The engine ends no process of its own accord, and what it says is nobody's: it is not even read.
    bounded = ["timeout", "-s", "KILL", str(seconds), *command]
    started = post(f"/containers/{container.identity}/exec", {"Cmd": bounded}, socket_path).json()
    post(f"/exec/{started['Id']}/start", {"Detach": True}, socket_path)
    deadline = time.monotonic() + seconds
    while (found := get(f"/exec/{started['Id']}/json", {}, socket_path))["Running"] and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return not found["Running"] and found["ExitCode"] == 0


def exit_code(container: Container, socket_path: str = SOCKET) -> int:
    """Return the code with which a container has ended; raises StackError."""
    return int(inspect(container, socket_path)["State"]["ExitCode"])


def main_process(container: Container, socket_path: str = SOCKET) -> int:
    """Return the pid of the container's main process on this host; 0 if it ended meanwhile."""
    try:
        return int(inspect(container, socket_path)["State"]["Pid"])
    except StackError:
        return 0
