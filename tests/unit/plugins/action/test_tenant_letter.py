"""The letters that a run writes for a tenant; without a relay, the first link of a new customer in a file."""

import types

import pytest
from ansible_collections.swissphoto.silo.plugins.action import tenant_letter

from silo.notifications import MailSettings, Outbox
from silo.owed_links import OwedLinks
from silo.state import State

RELAY = {
    "letters_relay_host": "127.0.0.1",
    "letters_relay_port": 1,
    "letters_relay_security": "none",
    "letters_relay_user": "",
    "letters_relay_password_file": "",
    "letters_relay_ca_file": "",
    "letters_sender": "photos@example.ch",
    "letters_sender_name": "",
    "letters_reply_to": "",
    "letters_keep_days": 400,
}


class World:
    """The tenant hans, whose state a test sets; links that were made, by their directory."""

    def __init__(self, folder, patch):
        self.folder, self.state, self.links = folder, "running", []
        self.owed = OwedLinks(State(folder).folder)
        settings = {"tenant_language": "de"}
        patch.setattr(tenant_letter, "read", lambda name, _hostvars: self._tenant(name, settings))

    def _tenant(self, name, settings):
        host = f"{name}.example.ch"
        return types.SimpleNamespace(
            name=name, state=self.state, host_name=host, email="hans@example.ch", settings=settings, quota=1
        )

    def run(self, relay, check=False):
        arguments = {"relay": relay, "payment_url": "https://example.ch/pay", "tickets_directory": "/t", "hours": 72}
        task = types.SimpleNamespace(args=arguments, check_mode=check, async_val=0, diff=False)
        task.environment = task.no_log = None
        action = tenant_letter.ActionModule.__new__(tenant_letter.ActionModule)
        action._task = task
        action._link = lambda directory, _variables: self.links.append(directory)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tenant_letter.ActionBase, "run", lambda *_arguments: {})
            return action.run(None, {"inventory_dir": str(self.folder), "inventory_hostname": "hans", "hostvars": {}})

    def outbox(self):
        return Outbox(MailSettings.of(RELAY, State(self.folder).outbox))


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


NO_RELAY = RELAY | {"letters_relay_host": ""}


def test_without_a_relay_a_link_that_is_owed_is_left_once(world):
    world.owed.owe("hans")
    result = world.run(NO_RELAY)
    assert (result["changed"], world.links) == (True, [world.folder / ".silo" / "links"])
    assert result["summary"] == [f"hans: the one-time login link is in {world.folder}/.silo/links/hans."]
    assert world.run(NO_RELAY) == {"changed": False, "summary": []}
    assert len(world.links) == 1


def test_a_plan_leaves_no_link(world):
    world.owed.owe("hans")
    assert world.run(NO_RELAY, check=True)["summary"] == ["hans: a run would make the one-time login link."]
    assert (world.links, list(world.owed.all())) == ([], ["hans"])


def test_who_does_not_run_yet_is_owed_the_link_until_then(world):
    world.owed.owe("hans")
    world.state = "stopped"
    assert world.run(NO_RELAY)["changed"] is False
    assert list(world.owed.all()) == ["hans"]


def test_a_relay_that_was_set_since_sends_the_link(world):
    world.owed.owe("hans")
    world.state = "stopped"
    world.run(RELAY)
    assert [(one.tenant, one.kind) for one in world.outbox().pending_notifications()] == [("hans", "created")]
    assert world.owed.all() == {}


def test_a_link_waits_until_the_tenant_runs_and_what_is_not_true_any_more_is_dropped(world):
    outbox = world.outbox()
    for kind in ("created", "restored"):
        outbox.queue_notification("hans", kind)
    world.state = "stopped"
    world.run(RELAY)
    assert [one.kind for one in outbox.pending_notifications()] == ["created"]
