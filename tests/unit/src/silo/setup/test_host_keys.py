"""Keys of machines: what ssh-keyscan says is read, and only what the operator compared is taken."""

import dataclasses

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed

from silo.inventory import InventoryError
from silo.setup import host_keys
from silo.setup.errors import SetupError
from silo.setup.target import Target

from .answered import KEY, OTHER

TARGET = Target("192.0.2.10", port=2222)


@pytest.fixture
def said(monkeypatch):
    """What each program says, by its name; and what was called."""
    answers, calls = {}, []

    def run(command, **_options):
        calls.append(list(command))
        answer = answers[command[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(host_keys.process, "run", run)
    return answers, calls


def test_the_preferred_key_is_first_and_anything_else_is_left_out(said):
    answers, calls = said
    lines = [
        "# 192.0.2.10:2222 SSH-2.0-OpenSSH_10.0",
        OTHER.line(TARGET),
        KEY.line(TARGET),
        "[192.0.2.10]:2222 ssh-dss AAAAB3NzaC1kc3MAAACBAOvz6rrL4gzuQjOlRCbFhRBXKA5dvBxL0dSbaMbnGvEaLhGQ",
        "[192.0.2.10]:2222 ssh-ed25519 AAAA\x1b[31m",
    ]
    answers["ssh-keyscan"] = Completed(0, "\n".join(lines))
    assert host_keys.scan(TARGET) == [KEY, OTHER]
    assert calls == [["ssh-keyscan", "-T", "10", "-p", "2222", "--", "192.0.2.10"]]


def test_the_fingerprint_is_the_one_that_ssh_shows():
    # By ssh-keygen -lf of that key.
    assert KEY.fingerprint == "SHA256:OVijzTZurPFPQDjkLWzx9Pl8nrIj570/F4bDV5VhdD8"
    assert host_keys.parse_fingerprint(KEY.fingerprint) == KEY.fingerprint
    assert host_keys.parse_fingerprint(KEY.fingerprint.removeprefix("SHA256:") + "=") == KEY.fingerprint


@pytest.mark.parametrize("text", ["", "SHA256:abc", "MD5:12:34", "SHA256:" + "a" * 44, "a" * 42 + "!"])
def test_what_is_no_fingerprint_is_refused(text):
    with pytest.raises(InventoryError, match="fingerprint is .*; it must be SHA256: and 43 letters"):
        host_keys.parse_fingerprint(text)


@pytest.mark.parametrize(
    ("kind", "name"), [("ssh-ed25519", "ed25519"), ("ecdsa-sha2-nistp256", "ecdsa"), ("ssh-rsa", "rsa")]
)
def test_a_key_lies_in_the_file_of_its_kind(kind, name):
    assert dataclasses.replace(KEY, kind=kind).file == f"/etc/ssh/ssh_host_{name}_key.pub"


def test_a_machine_with_another_key_is_refused_with_the_keys_that_it_has():
    assert host_keys.named(TARGET, [KEY, OTHER], OTHER.fingerprint) == OTHER
    with pytest.raises(SetupError, match=r"its key is not SHA256:x; it offers SHA256:\S+ \(ssh-ed25519\)"):
        host_keys.named(TARGET, [KEY], "SHA256:x")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Completed(1, "", "connection refused"), "root@192.0.2.10 port 2222: no SSH answers there"),
        (Completed(0, "not a key\n"), "no SSH answers there"),
        (Completed(-9, "", "", "did not end within 30 s"), "ssh-keyscan did not end within 30 s"),
        (FileNotFoundError("ssh-keyscan"), "install openssh-client"),
    ],
)
def test_who_does_not_answer_is_one_sentence(said, answer, sentence):
    said[0]["ssh-keyscan"] = answer
    with pytest.raises(SetupError, match=sentence):
        host_keys.scan(TARGET)


def test_a_key_of_an_earlier_login_is_known_also_where_names_are_hashed(said):
    answers, calls = said
    answers["ssh-keygen"] = Completed(0, f"# Host found: line 3\n|1|c2FsdA==|aGFzaA== {KEY.kind} {KEY.blob} comment\n")
    assert host_keys.known(TARGET) == {KEY}
    assert calls == [["ssh-keygen", "-F", "[192.0.2.10]:2222"]]
    answers["ssh-keygen"] = Completed(1)
    assert host_keys.known(TARGET) == frozenset()
