"""A one-time link on the controller: what it is made of, and the file in which it is left."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import tickets
from hypothesis import given, settings
from hypothesis import strategies as st

from silo.tenant import access_link
from silo.tenant.schema import TenantError

HOST = "hans.swissphoto.ch"


def test_a_token_has_256_bits_and_is_never_the_same():
    tokens = {access_link.make().token for _link in range(100)}
    assert len(tokens) == 100
    assert all(map(tickets.is_token, tokens))


def test_what_the_server_gets_does_not_tell_the_token():
    one = access_link.make()
    assert one.token not in one.digest + one.password + one.seal("Asecret") + repr(one)
    assert one.password not in one.digest + one.seal("Asecret")
    assert "Asecret" not in one.seal("Asecret")


def test_the_same_link_has_the_same_password():
    one = access_link.make()
    assert access_link.Link(one.token).password == one.password != access_link.make().password


def test_it_is_left_for_its_owner_alone_and_found_again(tmp_path):
    path, one = tmp_path / "links" / "hans", access_link.make()
    access_link.write(path, one, HOST)
    assert path.read_text() == f"https://hans.swissphoto.ch/silo/welcome/{one.token}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert access_link.read(path, HOST) == one
    assert access_link.read(path, "hans.example.ch") is None
    assert [file.name for file in path.parent.iterdir()] == ["hans"]


def test_an_older_one_is_replaced(tmp_path):
    path, one = tmp_path / "hans", access_link.make()
    access_link.write(path, access_link.make(), HOST)
    access_link.write(path, one, HOST)
    assert access_link.read(path, HOST) == one


def test_where_nothing_was_left_there_is_none(tmp_path):
    assert access_link.read(tmp_path / "hans", HOST) is None


@settings(deadline=None)
@given(text=st.text(max_size=120))
def test_any_other_text_is_no_link(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("links") / "hans"
    path.write_text(text, encoding="utf-8")
    assert access_link.read(path, HOST) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TenantError, match=r"file/hans: the link cannot be written there: "):
        access_link.write(tmp_path / "file" / "hans", access_link.make(), HOST)
