"""The walls around the machine learning: each check says so where its one wall is not there."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import learning
from ansible_collections.swissphoto.silo.plugins.module_utils.learning import models
from ansible_collections.swissphoto.silo.plugins.module_utils.learning.models import Model

from silo.tenant import names, secrets
from silo.tenant.model import derive
from silo.tenant.render import render
from silo_learning_gate.counts import Counts
from silo_learning_gate.gate import Gate
from silo_learning_gate.settings import GateSettings
from tests import templates
from tests.unit.hostile_servers import serving, whole
from tests.unit.patience import PATIENCE

LISTED = Path(__file__).with_name("edge.nft").read_text()
TASKS = {"clip": frozenset({"ViT-L"}), "ocr": frozenset({"PP"}), "facial-recognition": frozenset({"buffalo"})}
SETTINGS = GateSettings("http://127.0.0.1:9", "127.0.0.1", 0, 0, TASKS)
MODELS = [{"name": "ViT-L", "task": "clip"}]


@pytest.fixture
def gate():
    """The port of a gate that runs, and what it tells the journal."""
    said, ports, started, loop = [], [], threading.Event(), asyncio.new_event_loop()

    async def begin():
        running = Gate(SETTINGS, Counts(tell=said.append))
        ports.extend(await running.start())
        started.set()
        return running

    def run():
        asyncio.set_event_loop(loop)
        running = loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(running.stop(1))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(PATIENCE)
    yield ports[0], said
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)


@pytest.mark.parametrize("task", TASKS)
def test_a_gate_that_refuses(given, gate, task):
    port, said = gate
    (name,) = TASKS[task]
    given.parameters |= {"learning_gate_port": port, "learning_models": [{"name": name, "task": task}]}
    assert [finding.ok for finding in learning.learning_gate(given.server())] == [True]
    # It is no news for the journal, and no tenant's name.
    assert said == []
    assert names.name_problem(learning.NOBODY)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"], "options that break a model are answered with 200"),
        ([b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}"], "options that break a model are answered with 422"),
        (whole(b"{}"), "options that break a model are answered with 200"),
        ([b""], "the gate does not answer: "),
    ],
)
def test_a_gate_that_is_open_or_is_none(given, answer, seen):
    with serving(lambda: answer) as (port, _asked):
        given.parameters |= {"learning_gate_port": port, "learning_models": MODELS}
        (finding,) = learning.learning_gate(given.server())
    assert not finding.ok
    assert finding.seen.startswith(seen)
    assert finding.fix == "run playbooks/site.yml"


def test_a_gate_that_is_away(given):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    given.parameters |= {"learning_gate_port": port, "learning_models": MODELS}
    (finding,) = learning.learning_gate(given.server())
    assert finding.seen.startswith("the gate does not answer")


def owner(given, rules):
    given.parameters |= {"learning_bridge": "silo-ml", "learning_gate_uid": 65528}
    (finding,) = learning.learning_owner(given.server(lambda _argv: Completed(0, rules)))
    return finding


def test_the_rules_of_the_template_hold(given):
    assert owner(given, LISTED).ok


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ("skuid != { 0, 65528 } drop", "skuid != { 0, 65528, 65532 } drop", "every process of this server reaches it"),
        ('iifname "silo-ml" drop', 'iifname "silo-ml" accept', "it has a way out"),
        ('oifname "silo-ml" drop', 'oifname "silo-ml" accept', "others have a way to it"),
    ],
)
def test_a_rule_that_is_not_there(given, before, after, seen):
    assert before in LISTED
    finding = owner(given, LISTED.replace(before, after))
    assert (finding.ok, finding.seen) == (False, seen)


def test_rules_that_cannot_be_read_are_no_rules(given):
    def broken(argv):
        raise CommandError(argv, Completed(127, err="nft is not installed on this host"))

    given.parameters |= {"learning_bridge": "silo-ml", "learning_gate_uid": 65528}
    (finding,) = learning.learning_owner(given.server(broken))
    assert len(finding.seen.split(", ")) == 3


@pytest.fixture
def routes(given, tmp_path):
    """What the roles write."""
    given.parameters |= {"routes": str(tmp_path), "learning_gate_port": 8086}
    base = {"traefik_pages_url": "http://10.82.0.18:8080", "traefik_machine_learning_url": "http://127.0.0.1:8086"}
    (tmp_path / "_base.yml").write_text(templates.render("traefik", "_base.yml.j2", **base))
    tenant = derive("hans", templates.HANS)
    (tmp_path / "tenant-hans.yml").write_text(render(tenant, secrets.make()).route)
    return tmp_path


def test_routes_that_lead_to_the_gate(given, routes):
    # Maria has none, and peter's is closed.
    (routes / "tenant-peter.yml").write_text("---\nhttp:\n  routers: {}\n")
    assert [finding.ok for finding in learning.learning_route(given.server())] == [True]


@pytest.mark.parametrize(
    ("file", "before", "after", "seen"),
    [
        ("_base.yml", "127.0.0.1:8086", "10.82.0.2:3003", "the machine learning is at http://10.82.0.2:3003"),
        ("_base.yml", "    machine-learning:\n", "    learning:\n", "the machine learning is at no address"),
        ("tenant-hans.yml", "prefix: /hans\n", "prefix: /maria\n", "hans asks without its name"),
        ("tenant-hans.yml", "      - tenant-hans-ml-gate\n", "", "hans asks without its name"),
    ],
)
def test_routes_that_lead_elsewhere(given, routes, file, before, after, seen):
    path = routes / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    (finding,) = learning.learning_route(given.server())
    assert not finding.ok
    assert seen in finding.seen


def test_routes_that_cannot_be_read(given, routes):
    (routes / "_base.yml").unlink()
    (finding,) = learning.learning_route(given.server())
    assert "cannot be read" in finding.seen


def test_models_that_are_as_recorded_or_not(given, tmp_path):
    source, place = tmp_path / "source" / "ocr" / "PP", tmp_path / "there"
    source.mkdir(parents=True)
    place.mkdir()
    (source / "model.onnx").write_text("a")
    models.put(place, [Model("PP", "ocr")], tmp_path / "source")
    given.parameters |= {"learning_directory": str(place), "learning_models_owner": os.getuid()}
    assert [finding.ok for finding in learning.learning_models(given.server())] == [True]
    (place / "models/ocr/PP/model.onnx").write_text("evil")
    (finding,) = learning.learning_models(given.server())
    assert (finding.ok, finding.seen) == (False, "ocr/PP/model.onnx has 4 bytes in place of 1")


def test_a_server_without_it_is_not_checked(given):
    checks = (learning.learning_gate, learning.learning_owner, learning.learning_route, learning.learning_models)
    assert [check(given.server()) for check in checks] == [[]] * 4
