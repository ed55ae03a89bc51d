"""Tickets: found by their token alone, for their time, whatever else lies there."""

import json

import pytest
from cryptography.fernet import InvalidToken
from hypothesis import given, settings
from hypothesis import strategies as st

from silo.tenant import access_link
from silo_access.tickets import Tickets

NOW = 1_800_000_000


@pytest.fixture
def issue(tmp_path):
    def of(tenant="hans", **changes):
        new = access_link.make()
        ticket = {
            "tenant": tenant,
            "host_name": f"{tenant}.swissphoto.ch",
            "email": "hans@example.ch",
            "photo_server": "http://10.83.0.18:2283",
            "digest": new.digest,
            "sealed_password": new.seal("Asecret"),
            "expires_at": NOW + 1,
        }
        (tmp_path / f"{tenant}-{new.digest}.json").write_text(json.dumps({**ticket, **changes}))
        return new.token

    return of


@pytest.fixture
def tickets(tmp_path):
    return Tickets(tmp_path)


def test_the_token_finds_its_ticket_and_opens_it(issue, tickets):
    token = issue()
    ticket = tickets.find("hans", token, NOW)
    assert ticket.email == "hans@example.ch"
    assert ticket.password(token) == "Asecret"


def test_the_password_is_nowhere_without_the_token(issue, tickets, tmp_path):
    token = issue()
    (path,) = tmp_path.iterdir()
    assert "Asecret" not in path.read_text()
    assert token not in path.read_text()
    assert "Asecret" not in repr(tickets.find("hans", token, NOW))
    with pytest.raises(InvalidToken):
        tickets.find("hans", token, NOW).password(access_link.make().token)


def test_two_tenants_whose_names_begin_alike(issue, tickets):
    token = issue("hans2")
    issue("hans")
    assert tickets.find("hans2", token, NOW)
    assert tickets.find("hans", token, NOW) is None


@pytest.mark.parametrize("tenant", ["*", "../hans", "hans-", "", "Hans", "hans\n"])
def test_what_is_no_name_finds_nothing(issue, tickets, tenant):
    assert tickets.find(tenant, issue(), NOW) is None


@settings(deadline=None)
@given(token=st.text(max_size=60))
def test_what_is_no_token_finds_nothing(tmp_path_factory, token):
    assert Tickets(tmp_path_factory.getbasetemp()).find("hans", token, NOW) is None


def test_it_ends_with_its_time(issue, tickets):
    token = issue()
    assert tickets.find("hans", token, NOW + 0.9)
    assert tickets.find("hans", token, NOW + 1) is None


def test_a_ticket_whose_name_was_changed_opens_nothing(issue, tickets, tmp_path):
    token = issue()
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / path.name.replace("hans", "maria"))
    assert tickets.find("maria", token, NOW) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tenant": "hans"}', "\0"])
def test_a_file_that_is_no_ticket_hides_no_other(issue, tickets, tmp_path, caplog, content):
    token = issue()
    (tmp_path / "hans-0000.json").write_text(content)
    assert tickets.find("hans", token, NOW)
    assert "hans is no ticket" in caplog.text


def test_only_what_is_over_is_removed(issue, tickets, tmp_path):
    issue("hans")
    issue("maria", expires_at=NOW + 2)
    tickets.remove_expired(NOW + 1)
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["maria"]


def test_what_is_gone_already_is_no_fault(issue, tickets):
    ticket = tickets.find("hans", issue(), NOW)
    tickets.remove(ticket)
    tickets.remove(ticket)
