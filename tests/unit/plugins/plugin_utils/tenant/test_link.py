"""A one-time link on the controller: what it is made of, and the file in which it is left."""

import pytest
from ansible_collections.swissphoto.silo.plugins.plugin_utils.tenant import link
from ansible_collections.swissphoto.silo.plugins.plugin_utils.tenant.schema import TenantError
from hypothesis import given, settings
from hypothesis import strategies as st

HOST = "hans.swissphoto.ch"


def test_a_token_has_256_bits_and_is_never_the_same():
    tokens = {link.make().token for _link in range(100)}
    assert len(tokens) == 100
    assert all(link.TOKEN.fullmatch(token) for token in tokens)


def test_what_the_server_gets_does_not_tell_the_token():
    one = link.make()
    assert one.token not in one.digest + one.password + one.seal("Asecret") + repr(one)
    assert one.password not in one.digest + one.seal("Asecret")
    assert "Asecret" not in one.seal("Asecret")


def test_the_same_link_has_the_same_password():
    one = link.make()
    assert link.Link(one.token).password == one.password != link.make().password


def test_it_is_left_for_its_owner_alone_and_found_again(tmp_path):
    path, one = tmp_path / "links" / "hans", link.make()
    link.write(path, one, HOST)
    assert path.read_text() == f"https://hans.swissphoto.ch/silo/welcome/{one.token}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert link.read(path, HOST) == one
    assert link.read(path, "hans.example.ch") is None
    assert [file.name for file in path.parent.iterdir()] == ["hans"]


def test_an_older_one_is_replaced(tmp_path):
    path, one = tmp_path / "hans", link.make()
    link.write(path, link.make(), HOST)
    link.write(path, one, HOST)
    assert link.read(path, HOST) == one


def test_where_nothing_was_left_there_is_none(tmp_path):
    assert link.read(tmp_path / "hans", HOST) is None


@settings(deadline=None)
@given(text=st.text(max_size=120))
def test_any_other_text_is_no_link(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("links") / "hans"
    path.write_text(text, encoding="utf-8")
    assert link.read(path, HOST) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TenantError, match=r"file/hans: the link cannot be left there: "):
        link.write(tmp_path / "file" / "hans", link.make(), HOST)
