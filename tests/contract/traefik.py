"""Traefik itself, of the release that the lab runs, with what is written for it; it asks no authority for anything."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import tempfile
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from tests.lab.command import LabError
from tests.lab.images import PIP, SOURCES, program_of

REQUIREMENTS = SOURCES / "traefik" / "requirements.txt"
CACHE = Path(__file__).parents[2] / ".cache"
# For a machine with much else to do; what is there is not waited for.
SECONDS = 60.0
PAUSE_SECONDS = 0.05
# The entry point of its API, which servers do not have.
API = "traefik"
ROUTES = "routes"
# What else gives it a configuration, when it starts.
OTHERS = {"internal", "acme.acme"}


def program() -> Path:
    """Return Traefik's program, which is downloaded once for each release; raises LabError where it cannot be had."""
    release = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    path = CACHE / f"traefik-{release}"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    # Beside it, so that it is there whole or not at all.
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        command = [*PIP, "--dest", place, "--requirement", str(REQUIREMENTS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise LabError(f"{REQUIREMENTS.name} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
        new = Path(place, "traefik")
        new.write_bytes(program_of(sorted(Path(place).glob("*.whl")), "traefik"))
        new.chmod(0o755)
        new.rename(path)
    return path


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _number in range(count)]
        return [one.getsockname()[1] for one in sockets]


class Traefik:
    """A Traefik that runs in a folder: what it has made of its files, and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, ports: Mapping[str, int]) -> None:
        """Ask it at `ports`, one of the loopback for each entry point."""
        self._process, self._log, self.ports = process, log, ports

    @property
    def errors(self) -> list[str]:
        """What it calls an error, but of certificates, for which it has nobody to ask."""
        wrong = (line for line in self._lines() if line["level"] in ("error", "fatal"))
        return [json.dumps(line) for line in wrong if line.get("providerName") != "acme.acme"]

    @property
    def static(self) -> dict[str, t.Any]:
        """The static configuration that it has read; what it does not know at the top, it leaves out in silence."""
        found = (line["staticConfiguration"] for line in self._lines() if "staticConfiguration" in line)
        return next(found, {})

    @property
    def providers(self) -> set[str]:
        """The providers whose first configuration it has."""
        return {line["providerName"] for line in self._lines() if line.get("message") == "Configuration received"}

    def wait(self, is_there: Callable[[], object]) -> None:
        """Wait until something is there, or until it says that it cannot."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self._process.poll() is None and not self.errors:
            if is_there():
                return
            time.sleep(PAUSE_SECONDS)

    def objects(self, kind: str) -> dict[str, t.Any]:
        """Return the routers, services or middlewares that come from files, by name; none where it does not answer."""
        url = f"http://127.0.0.1:{self.ports[API]}/api/http/{kind}?per_page=1000"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:
                found = json.load(answer)
        except (OSError, urllib.error.URLError):
            return {}
        return {one["name"]: one for one in found if one["provider"] == "file"}

    def _lines(self) -> list[dict[str, t.Any]]:
        # The last may be half written; what libraries of Traefik print is of another form.
        lines = self._log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]


def _own(static: Mapping[str, t.Any], folder: Path) -> tuple[dict[str, t.Any], dict[str, int]]:
    """Return a static configuration for here: free ports of this machine, files in `folder`, and its own API."""
    points = static["entryPoints"] | {API: {}}
    ports = dict(zip(points, _free_ports(len(points)), strict=True))
    routes = {"directory": str(folder / ROUTES), "watch": True}
    here = {name: point | {"address": f"127.0.0.1:{ports[name]}"} for name, point in points.items()}
    acme = static["certificatesResolvers"]["acme"]["acme"] | {"storage": str(folder / "acme.json")}
    own = {
        "log": static["log"] | {"level": "DEBUG", "format": "json"},
        "entryPoints": here,
        "api": {"insecure": True, "dashboard": False},
        "providers": static["providers"] | {"providersThrottleDuration": "0s", "file": routes},
        # Where nobody answers: no authority is ever asked by a test.
        "certificatesResolvers": {"acme": {"acme": acme | {"caServer": "http://127.0.0.1:1/directory"}}},
    }
    return dict(static) | own, ports


@contextlib.contextmanager
def running(static: str, routes: Mapping[str, str], folder: Path) -> Iterator[Traefik]:
    """Run Traefik with a static configuration and with files of routes, by name, in an empty folder."""
    binary = program()
    (folder / ROUTES).mkdir()
    written = folder / "written"
    written.mkdir()
    for name, text in routes.items():
        (written / name).write_text(text)
    configuration, ports = _own(yaml.safe_load(static), folder)
    (folder / "traefik.yml").write_text(yaml.safe_dump(configuration))
    log = folder / "log"
    command: Sequence[str] = [str(binary), f"--configFile={folder / 'traefik.yml'}"]
    with log.open("wb") as file, subprocess.Popen(command, cwd=folder, stdout=file, stderr=file) as process:
        try:
            one = Traefik(process, log, ports)
            one.wait(lambda: one.static)
            if routes:
                # With the configuration of each provider it makes all of its middlewares anew, and these count from
                # nothing. The routes come last and all at once, so where they are to be seen, nothing begins again.
                one.wait(lambda: one.providers >= OTHERS)
                written.rename(folder / ROUTES / "all")
                one.wait(lambda: one.objects("routers"))
            yield one
        finally:
            process.kill()
