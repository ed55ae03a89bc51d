"""The playbook of maintenance: the edit, and what each server then has of it."""

import json

import pytest
import yaml


def given(**values):
    return [word for key, value in values.items() for word in ("-e", json.dumps({key: value}))]


@pytest.fixture(scope="module")
def places(world):
    """Where each server has its files; both of the same, as these servers are one machine."""
    return {"pages_directory": str(world.place / "pages"), "traefik_routes_directory": str(world.place / "routes")}


@pytest.fixture(scope="module")
def switch(world, places):
    (world.place / "routes").mkdir()

    def run(*options, server="silo1", **values):
        return world.run(
            "maintenance.yml", arguments=["--limit", f"localhost,{server}", *options, *given(**places, **values)]
        )

    return run


@pytest.fixture(scope="module")
def rehearsed(switch):
    return switch("--check", "--diff", scope="all", state="on", text="Wir ziehen um.")


@pytest.fixture(scope="module")
def on(switch, rehearsed, world):
    assert not (world.inventory / "maintenance.yml").exists()
    return switch(scope="anna", state="on", text={"de": "Wir ziehen um."}, until="2026-12-24 22:00")


def routes(world):
    file = world.place / "routes" / "_maintenance.yml"
    return yaml.safe_load(file.read_text())["http"]["routers"] if file.exists() else {}


def test_a_rehearsal_shows_the_edit_and_writes_nothing(world, rehearsed):
    assert rehearsed.code == 0, rehearsed.failures
    assert "+    silo_maintenance:" in rehearsed.text


def test_switched_on_the_tenants_server_leads_to_the_page(world, on):
    assert on.code == 0, on.failures
    written = yaml.safe_load((world.inventory / "maintenance.yml").read_text())["all"]["vars"]["silo_maintenance"]
    assert written == {"anna": {"text": {"de": "Wir ziehen um."}, "until": "2026-12-24T22:00+01:00"}}
    assert list(routes(world)) == ["maintenance-tenant-anna"]
    page = world.place / "pages" / "site" / "notices" / "tenant-anna-de.html"
    assert page.read_text().startswith("Wir ziehen um.")


def test_the_same_again_changes_nothing(switch, on):
    again = switch()
    assert again.code == 0, again.failures
    changed = [event for event in again.events if any(one.get("changed") for one in event.get("hosts", {}).values())]
    assert changed == []


def test_switched_off_nothing_of_it_is_left(switch, world, on):
    off = switch(scope="anna", state="off")
    assert off.code == 0, off.failures
    assert routes(world) == {}
    assert not (world.inventory / "maintenance.yml").exists()
    names = {path.name for path in (world.place / "pages" / "site" / "notices").iterdir()}
    assert names == {f"any-{language}.{form}" for language in ("de", "fr", "it", "en") for form in ("html", "json")}


def test_a_server_shows_nothing_of_another_ones(switch, world, on):
    run = switch(scope="anna", state="on", server="silo2")
    assert run.code == 0, run.failures
    assert routes(world) == {}


def test_what_is_wrong_is_a_sentence(switch):
    run = switch(scope="nobody", state="on")
    assert run.code != 0
    assert "'nobody': maintenance is for all, a server or a tenant" in run.text
