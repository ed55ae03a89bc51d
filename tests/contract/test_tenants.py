"""The playbooks of one tenant, on the second of two servers: each acts there, and the data goes from the right NAS."""

import pytest
import yaml

RELAY = {
    "letters_relay_host": "127.0.0.1",
    "letters_relay_port": 1,  # nobody takes a letter there, so it waits
    "letters_relay_security": "none",
    "letters_sender": "ops@example.ch",
}


def given(**values):
    return [word for key, value in values.items() for word in ("-e", f"{key}={value}")]


@pytest.fixture(scope="module")
def created(world):
    """With letters, of which one brings a link that is made on the tenant's server."""
    world.write("inventory/group_vars/all/relay.yml", RELAY)
    places = {"server": "silo2", "nas": "nas2"}
    return world.run("tenant-create.yml", arguments=given(tenant="paul", email="p@example.ch", quota="1G", **places))


@pytest.fixture(scope="module")
def deleted(world, created):
    return world.run("tenant-delete.yml", arguments=given(tenant="david", confirm="david"))


def test_a_tenant_is_created_where_it_is_asked_for(world, created):
    assert created.code == 0, created.failures
    written = yaml.safe_load((world.inventory / "host_vars" / "paul" / "tenant.yml").read_text())
    assert (written["tenant_server"], written["tenant_nas"]) == ("silo2", "nas2")
    assert created.made("tenant_stacks") == created.given("disk") == [("silo2", ["paul"])]
    assert created.made("storage_quota") == [("nas2", ["paul"])]


def test_its_link_is_made_on_its_own_server(created):
    links = [(call.host, call.parameters["tenant"]) for call in created.calls if call.module == "access_link"]
    assert links == [("silo2", "paul")]


def test_a_deleted_one_is_taken_down_on_its_own_server(deleted):
    assert deleted.code == 0, deleted.failures
    states = [
        (call.host, item["state"])
        for call in deleted.calls
        if call.module == "tenant_stacks"
        for item in call.parameters["tenants"]
        if item["name"] == "david"
    ]
    assert states == [("silo2", "absent")]


@pytest.mark.parametrize("playbook", ["tenant-stop.yml", "tenant-start.yml"])
def test_a_playbook_of_one_tenant_applies_no_other(world, deleted, playbook):
    run = world.run(playbook, arguments=given(tenant="bruno"))
    assert run.code == 0, run.failures
    assert run.made("tenant_stacks") == [("silo1", ["bruno"])]


def test_a_deletion_applies_no_other(deleted):
    assert deleted.made("tenant_stacks") == [("silo2", ["david"])]
    assert deleted.made("storage_quota") == []


def test_the_trash_says_what_is_done_with_it(deleted):
    names = {event["task"]["name"] for event in deleted.events if "task" in event}
    assert {"silo:trash-uploads | Uploads: to the trash", "silo:trash-files | Files of root's: to the trash"} <= names


def test_its_data_goes_into_the_trash_of_its_own_machines(deleted):
    assert deleted.made("tenant_trash") == [("silo2", ["david"])]
    assert deleted.made("storage_trash") == [("nas2", ["david"]), ("silo2", ["david"])]


def test_what_it_was_is_recorded(world, deleted):
    (deletion,) = [yaml.safe_load(path.read_text()) for path in world.inventory.glob("retired/*.yml")]
    assert (deletion["name"], deletion["server"], deletion["nas"], deletion["files"]) == ("david", "silo2", "nas2", 7)
