"""One ticket for each tenant, with a password that opens the photo server."""

import dataclasses
import json
import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.access import issue as module
from ansible_collections.swissphoto.silo.plugins.module_utils.access.issue import Issued, Key, Link, issue, open_until
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

NOW = 1_800_000_000.7
HOUR = 3600


class Admin:
    """A photo server with one admin, who has the password of the vault."""

    def __init__(self, **changes):
        self.password, self.email = "Vsecret", "hans@example.ch"
        vars(self).update(changes)

    def knows(self, email, password):
        return (email, password) == (self.email, self.password)

    def reset(self, _email, password):
        self.password = password
        return self.email


@pytest.fixture
def link(tmp_path):
    def of(number=1, **changes):
        values = {
            "directory": tmp_path,
            "tenant": "hans",
            "host_name": "hans.swissphoto.ch",
            "email": "hans@example.ch",
            "photo_server": "http://10.83.0.18:2283",
            "digest": f"digest{number}",
            "known_digest": f"digest{number - 1}",
            "known_password": f"Fsecret{number - 1}",
            "seconds": 72 * HOUR,
            "vault": Key("Vsecret", f"sealed vault {number}"),
            "fresh": Key(f"Fsecret{number}", f"sealed fresh {number}"),
        }
        return Link(**{**values, **changes})

    return of


def tickets(directory):
    return {path.name: json.loads(path.read_text()) for path in directory.iterdir()}


def test_the_password_of_the_vault_where_it_is_still_right(link, tmp_path):
    admin = Admin()
    assert issue(link(), admin, NOW) == Issued(True, int(NOW) + 72 * HOUR, False)
    assert admin.password == "Vsecret"
    assert tickets(tmp_path) == {
        "hans-digest1.json": {
            "tenant": "hans",
            "host_name": "hans.swissphoto.ch",
            "email": "hans@example.ch",
            "photo_server": "http://10.83.0.18:2283",
            "digest": "digest1",
            "sealed_password": "sealed vault 1",
            "expires_at": int(NOW) + 72 * HOUR,
        }
    }
    assert (tmp_path / "hans-digest1.json").stat().st_mode & 0o777 == 0o600


def test_the_password_of_the_link_where_the_customer_has_another(link, tmp_path):
    admin = Admin(password="customer's own", email="hans@new.example")
    assert issue(link(), admin, NOW).reset
    assert admin.password == "Fsecret1"
    ticket = tickets(tmp_path)["hans-digest1.json"]
    assert (ticket["sealed_password"], ticket["email"]) == ("sealed fresh 1", "hans@new.example")


def test_older_links_of_this_tenant_end_and_no_others(link, tmp_path):
    admin = Admin()
    for number in (1, 2):
        issue(link(number), admin, NOW)
    issue(link(3, tenant="hans2"), admin, NOW)
    (tmp_path / ".hans-digest0.json.tmp").write_text("what a killed run left")
    issue(link(4), admin, NOW)
    assert sorted(tickets(tmp_path)) == ["hans-digest4.json", "hans2-digest3.json"]


def test_a_ticket_holds_no_password(link, tmp_path):
    issue(link(), Admin(password="customer's own"), NOW)
    text = (tmp_path / "hans-digest1.json").read_text()
    assert "Vsecret" not in text
    assert "Fsecret" not in text
    assert "secret" not in repr(link())


@pytest.mark.parametrize("password", ["Vsecret", "customer's own"])
def test_a_link_that_is_open_is_found_again(link, password):
    admin = Admin(password=password)
    issue(link(1), admin, NOW)
    assert open_until(link(2), admin, NOW + HOUR) == int(NOW) + 72 * HOUR


@pytest.mark.parametrize(
    ("changes", "later"),
    [
        ({}, 72 * HOUR),
        ({"known_digest": ""}, HOUR),
        ({"known_digest": "another"}, HOUR),
        ({"host_name": "hans.example.ch"}, HOUR),
        ({"photo_server": "http://10.83.9.18:2283"}, HOUR),
        ({"tenant": "maria"}, HOUR),
    ],
)
def test_one_that_is_over_or_leads_elsewhere_is_not(link, changes, later):
    admin = Admin()
    issue(link(1), admin, NOW)
    assert open_until(link(2, **changes), admin, NOW + later) == 0


def test_one_beside_which_the_customer_has_set_a_password_is_not(link):
    admin = Admin()
    issue(link(1), admin, NOW)
    admin.password = "customer's own"
    assert open_until(link(2), admin, NOW + HOUR) == 0


def test_killed_anywhere_the_next_run_completes_it(link, tmp_path, monkeypatch):
    admin = Admin(password="customer's own")
    issue(link(1), admin, NOW)
    admin.password = "customer's own"

    def killed(*_arguments):
        raise KeyboardInterrupt

    for name in ("remove_file", "write_file"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            with pytest.raises(KeyboardInterrupt):
                issue(link(2), admin, NOW)
    issue(link(3), admin, NOW)
    assert (list(tickets(tmp_path)), admin.password) == (["hans-digest3.json"], "Fsecret3")


def test_a_server_without_the_page_is_told(link, tmp_path):
    with pytest.raises(StackError, match=r"gone does not exist; run site.yml, whose role access creates it"):
        issue(dataclasses.replace(link(), directory=tmp_path / "gone"), Admin(), NOW)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "[" * 100_000, '{"host_name": 1}', "x" * 100_000, '{"expires_at": 1e999}', "null"]
)
def test_a_ticket_that_is_none_is_no_link_that_is_open(link, tmp_path, text):
    (tmp_path / "hans-digest0.json").write_text(text)
    assert open_until(link(1), Admin(), NOW) == 0


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "of another"])
def test_nothing_but_a_file_of_the_services_own_is_read(link, tmp_path, kind):
    issue(link(1), Admin(), NOW)
    ticket = tmp_path / "hans-digest1.json"
    assert open_until(link(2), Admin(), NOW) > 0
    if kind == "of another":
        os.chown(ticket, 4711, 4711)
    else:
        ticket.rename(tmp_path / "away")
        {
            "link": lambda: ticket.symlink_to(tmp_path / "away"),
            "pipe": lambda: os.mkfifo(ticket),
            "folder": ticket.mkdir,
        }[kind]()
    assert open_until(link(2), Admin(), NOW) == 0
