"""Traefik itself takes every file that is written for it, and has of each what it says."""

import pytest
import yaml

from silo.tenant import secrets
from silo.tenant.model import derive
from silo.tenant.render import render
from tests import templates
from tests.lab.command import LabError

from . import traefik

VARIABLES = {
    "traefik_routes_directory": "/srv/silo/traefik/routes",
    "traefik_domain": "swissphoto.ch",
    "traefik_acme_email": "ops@swissphoto.ch",
    "traefik_pages_url": "http://10.82.0.18:8080",
    "traefik_access_url": "http://127.0.0.1:8083",
    "traefik_machine_learning_url": "http://127.0.0.1:8086",
    "traefik_billing_url": "http://127.0.0.1:8085",
    "traefik_billing_host": "billing.swissphoto.ch",
    "traefik_checkout_url": "http://127.0.0.1:8088",
    "traefik_maintenance": [
        {"id": "here", "tenant": "", "language": "auto"},
        {"id": "tenant-hans", "tenant": "hans", "language": "fr"},
    ],
}
WILDCARD = {"traefik_tls_mode": "wildcard", "traefik_dns_provider": "exoscale"}
MODES = {"acme": ({}, "acme"), "wildcard": (WILDCARD, "")}
STATES = {"hans": "running", "maria": "stopped", "peter": "suspended"}
KINDS = ("routers", "services", "middlewares")


@pytest.fixture(scope="module")
def binary():
    """Traefik's program; without it nothing here can be told."""
    try:
        return traefik.program()
    except LabError as error:
        pytest.skip(str(error))


def static(changes):
    return templates.render("traefik", "traefik.yml.j2", **VARIABLES, **changes)


def tenant_files(resolver):
    files = {}
    for index, (name, state) in enumerate(STATES.items(), start=1):
        values = {"tenant_index": index, "tenant_state": state, "tenant_certificate_resolver": resolver}
        stack = render(derive(name, templates.HANS | values), secrets.make())
        files |= {f"tenant-{name}.yml": stack.route, f"starting-{name}.yml": stack.starting}
    return files


def routes(mode):
    """All files that a server may have: the platform's, and those of a tenant in each state."""
    changes, resolver = MODES[mode]
    ours = {
        name: templates.render("traefik", f"{name}.j2", **VARIABLES, **changes)
        for name in ("_base.yml", "_billing.yml", "_maintenance.yml")
    }
    ours["_outage.yml"] = templates.render("traefik", "outage.yml.j2", **VARIABLES, **changes)
    some = templates.render("traefik", "outage-of-some.yml.j2", **VARIABLES, **changes)
    ours["_outage-mnt-nas-b.yml"] = some.replace("@NAS@", "mnt-nas-b").replace("@TENANTS@", "hans|maria")
    return ours | tenant_files(resolver)


def written(files, kind):
    """The names of what files have, as Traefik calls it."""
    return {f"{name}@file" for text in files.values() for name in yaml.safe_load(text)["http"].get(kind, {})}


@pytest.mark.parametrize("mode", MODES)
def test_traefik_takes_all_that_is_written_for_it(binary, tmp_path, mode):
    files = routes(mode)
    with traefik.running(static(MODES[mode][0]), files, tmp_path) as one:
        found = {kind: one.objects(kind) for kind in KINDS}
        assert one.errors == []
        assert set(yaml.safe_load(static(MODES[mode][0]))) <= set(one.static)
    for kind in KINDS:
        assert set(found[kind]) == written(files, kind)
        assert {name: one for name, one in found[kind].items() if one["status"] != "enabled" or one.get("error")} == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("inFlightReq:", "inFlightRequests:"),
        ("amount: 8", "amount: many"),
        ("Host(`hans.swissphoto.ch`)", "Hosts(`hans.swissphoto.ch`)"),
        ("machine-learning@file", "learning@file"),
        ("hsts@file", "hst@file"),
    ],
)
def test_a_mistake_in_a_route_would_be_seen(binary, tmp_path, before, after):
    files = routes("acme")
    wrong = files["tenant-hans.yml"].replace(before, after)
    assert wrong != files["tenant-hans.yml"]
    with traefik.running(static({}), files | {"tenant-hans.yml": wrong}, tmp_path) as one:
        found = one.objects("routers")
        refused = [name for name, router in found.items() if router["status"] != "enabled"]
        # Either it has routers that lead nowhere, or it takes no file at all.
        assert refused or (one.errors and not found)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("checkNewVersion", "chekNewVersion", "field not found, node: chekNewVersion"),
        ("idleTimeout: 600s", "idleTimeout: long", "long"),
    ],
)
def test_a_mistake_in_the_static_configuration_would_be_seen(binary, tmp_path, before, after, said):
    with traefik.running(static({}).replace(before, after), {}, tmp_path) as one:
        assert any(said in line for line in one.errors)


def test_a_part_that_traefik_does_not_know_would_be_seen(binary, tmp_path):
    with traefik.running(static({}) + "\nacessLog: {format: json}\n", {}, tmp_path) as one:
        assert one.errors == []
        assert "acessLog" not in one.static
