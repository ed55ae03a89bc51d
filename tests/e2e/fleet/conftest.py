"""A second server joins the lab as docs/operate/runbooks/new-server.md says."""

import contextlib
import dataclasses
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ..lab import Lab

FIRST, SECOND = "silo1", "silo2"
TENANTS = ("hans", "maria", "peter")


@dataclasses.dataclass(frozen=True)
class Joined:
    """What ran on the first server before the second one joined, and how the run of `site.yml` ended."""

    before: dict[str, str]
    changed: dict[str, int]


def record(lab: Lab, name: str, address: str) -> None:
    """Give a name a DNS record of its own, as an operator does at their provider."""
    write = f"echo 'address=/{name}.{lab.domain}/{address}' >/etc/dnsmasq.d/{name}.conf"
    script = f"{write} && systemctl restart dnsmasq.service"
    subprocess.run(("docker", "exec", f"{lab.container}-internet", "sh", "-euc", script), check=True, timeout=60)


@contextlib.contextmanager
def frozen(server):
    """The machine accepts connections, and never answers."""
    subprocess.run(("docker", "pause", server.container), check=True, capture_output=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run(("docker", "unpause", server.container), check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def unplugged(server):
    """Nobody has the machine's address."""
    route = server.run("ip", "-4", "route", "show", "default").split()
    server.run("ip", "link", "set", "eth0", "down")
    try:
        yield
    finally:
        server.run("ip", "link", "set", "eth0", "up")
        server.run("ip", "route", "replace", *route)


def as_program(silo, *arguments):
    """Return what a command answers to a program, and how it ended."""
    run = silo.try_run(*arguments, "--json")
    # The sentences on what is missing are on a stream of their own, which here is the same.
    return json.loads(run.output[: run.output.rindex("\n}") + 2]), run


def check_told(run, code=1):
    """One sentence says that the second server cannot be reached, and so does the code."""
    # Where a program asks, the answer itself has it as well, indented.
    told = [line for line in run.output.splitlines() if "cannot be reached" in line and not line.startswith(" ")]
    assert (run.code, [SECOND in one for one in told]) == (code, [True]), run.output


@pytest.fixture(scope="session")
def second(lab):
    """The second server."""
    known = json.loads(Path(os.environ["SILO_LAB_FILE"]).read_text())
    return dataclasses.replace(lab, container=known["second_container"], address=known["second_address"])


@pytest.fixture(scope="session")
def joined(lab, second, operator):
    """The second server is set up, and the first one with it."""
    before = lab.running()
    for name in TENANTS:
        operator.edit(name, server=FIRST, nas=FIRST)
    both = {"hosts": dict.fromkeys((FIRST, SECOND))}
    (operator.inventory / "hosts.yml").write_text(yaml.safe_dump({"servers": both, "nas": both}))
    known = (operator.folder(FIRST) / "connection.yml").read_text()
    operator.folder(SECOND).mkdir()
    (operator.folder(SECOND) / "connection.yml").write_text(known.replace("lab.address", "lab.second_address"))
    return Joined(before, operator.run("site.yml").changed)


@pytest.fixture(scope="session")
def bea(lab, second, silo, joined):
    """A customer on the second server."""
    record(lab, "bea", second.address)
    silo.run("create", "bea", "1", "bea@example.ch", "--language", "fr", "--server", SECOND, "--nas", SECOND)
    return "bea"
