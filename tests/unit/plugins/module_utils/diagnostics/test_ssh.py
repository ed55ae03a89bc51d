"""SSH of a server: what `sshd -T` says, whose keys are there, and by what this was called."""

import pwd

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import ssh

GOOD = """port 22
port 2222
listenaddress [::]:22
permitrootlogin without-password
passwordauthentication no
kbdinteractiveauthentication no
trustedusercakeys none
authorizedkeyscommand none
authorizedkeysfile .ssh/authorized_keys %h/more/%u
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The settings that `sshd -T` tells with such a text."""
    (tmp_path / "sshd").touch()
    monkeypatch.setattr(ssh, "SSHD", str(tmp_path / "sshd"))

    def of(text=GOOD, code=0):
        return ssh.settings(lambda argv: Completed(code, text) if argv[1:] == ("-T",) else None)

    return of


@pytest.fixture
def anna(tmp_path):
    return pwd.struct_passwd(("anna", "x", 1000, 1000, "", str(tmp_path), "/bin/sh"))


def test_where_it_listens_and_that_keys_alone_are_taken(told):
    assert told().ports == (22, 2222)
    assert told().wrong == ()


@pytest.mark.parametrize(
    "wrong", ["passwordauthentication yes", "kbdinteractiveauthentication yes", "permitrootlogin yes"]
)
def test_a_way_in_without_a_key(told, wrong):
    name = wrong.split()[0]
    lines = [line for line in GOOD.splitlines() if not line.startswith(name)]
    assert told("\n".join([*lines, wrong])).wrong == (wrong,)


def test_a_server_without_ssh(monkeypatch):
    monkeypatch.setattr(ssh, "SSHD", "/nowhere/sshd")
    assert ssh.settings(None) is None
    assert ssh.problem(None) == ""


def test_settings_that_ssh_does_not_take_itself(told):
    with pytest.raises(CommandError, match="Bad configuration option"):
        told("Bad configuration option: Colour", 255)


def test_a_problem_is_told_in_words(told, tmp_path):
    answer = Completed(0, GOOD.replace("passwordauthentication no", "passwordauthentication yes"))
    assert ssh.problem(lambda _argv: answer) == "it has passwordauthentication yes"
    assert ssh.problem(lambda _argv: Completed(0, GOOD)) == ""


@pytest.mark.parametrize(("place", "text"), [(".ssh/authorized_keys", "ssh-ed25519 AAAA\n"), ("more/anna", "#\n\nkey")])
def test_a_user_with_a_key(told, anna, tmp_path, place, text):
    assert not told().has_key(anna)
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text("# none yet\n \n")
    assert not told().has_key(anna)
    path.write_text(text)
    assert told().has_key(anna)
    assert path in told().key_files(anna)


@pytest.mark.parametrize("name", ssh.ELSEWHERE)
def test_keys_that_others_keep(told, anna, name):
    assert told(GOOD.replace(f"{name} none", f"{name} /etc/ssh/it")).has_key(anna)


def test_keys_that_are_taken_from_no_file(told, anna):
    lines = [line for line in GOOD.splitlines() if not line.startswith("authorizedkeysfile")]
    assert told("\n".join([*lines, "authorizedkeysfile none"])).key_files(anna) == ()


@pytest.fixture
def processes(tmp_path):
    """A tree of processes: number to parent, user and environment."""

    def make(tree):
        for number, (parent, uid, environment) in tree.items():
            folder = tmp_path / "proc" / str(number)
            folder.mkdir(parents=True)
            (folder / "status").write_text(f"Name:\tsh\nPPid:\t{parent}\nUid:\t{uid}\t0\t0\t0\n")
            (folder / "environ").write_bytes("\0".join(environment).encode() + b"\0")
        return tmp_path / "proc"

    return make


def test_who_logged_in_and_where_through_sudo(processes):
    came = ["SSH_CONNECTION=192.0.2.1 40000 192.0.2.10 2022", "HOME=/home/anna"]
    tree = {40: (1, 0, []), 41: (40, 1000, came), 42: (41, 0, came), 43: (42, 0, ["SUDO_USER=anna"])}
    assert ssh.session(processes(tree), 43) == ssh.Session(2022, 1000)


def test_a_process_that_was_not_called_by_ssh(processes):
    assert ssh.session(processes({40: (1, 0, ["HOME=/root"])}), 40) is None
    assert ssh.session(processes({}), 41) is None
