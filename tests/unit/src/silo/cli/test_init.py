"""silo init: an inventory from nothing, asked for or by options, in front of a server that is not one."""

import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.common import process
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from click.testing import CliRunner

from silo import cli
from silo.cli import output
from silo.setup.target import Target

from ..setup.answered import KEY, OTHER, SAYS

ROOT = Path(__file__).parents[5]
TARGET = Target("192.0.2.10")
BY_ID = "/dev/disk/by-id"
GIVEN = ["--domain", "swissphoto.ch", "--contact", "ops@swissphoto.ch", "--server", "192.0.2.10"]


class World:
    """A home, a terminal or none, and machines behind ssh by their address: key, and what they say."""

    def __init__(self, home):
        self.home, self.terminal, self.known, self.logins = home, False, "", 0
        self.keys = {"192.0.2.10": [KEY, OTHER], "192.0.2.20": [OTHER]}
        self.says = dict.fromkeys(self.keys, SAYS)
        self.folder, self.password = home / "inventory", home / ".silo-vault-password"

    def run(self, command):
        """Answer in place of a program."""
        host = next((word for word in command if word in self.keys), "")
        if command[0] == "ssh-keyscan":
            return Completed(0, "".join(f"{key.line(Target(host))}\n" for key in self.keys.get(host, [])))
        if command[0] == "ssh-keygen":
            return Completed(0 if self.known else 1, self.known)
        assert command[0] == "ssh"
        self.logins += 1
        return Completed(0, self.says[host])

    def silo(self, *arguments, typed=""):
        result = CliRunner().invoke(cli.main, ["init", *map(str, arguments)], input=typed, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def read(self, path):
        return yaml.safe_load((self.folder / path).read_text())

    def files(self):
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if ".git" not in path.parts}

    def state(self):
        """Every file with its bytes and time."""
        return {
            path: (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
            for path in sorted(self.home.rglob("*"))
        }


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path)
    for name in ("SILO_VAULT_PASSWORD_FILE", "ANSIBLE_INVENTORY", "SILO_INVENTORY", "SILO_AUTHOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    real = process.run

    def run(command, **options):
        return real(command, **options) if command[0] == "git" else world.run(command)

    # There is one runner of programs.
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(output, "is_terminal", lambda: world.terminal)
    return world


def test_without_a_terminal_options_and_proposals_are_the_answers(world):
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    assert result.exit_code == 0, result.output
    assert world.read("host_vars/silo1/machine.yml") == {
        "silo_memory_of_server": "125G",
        "nas_device": "/dev/disk/by-id/ata-ST8000VN004_ZR1",
        "silo_disk_device": "/dev/disk/by-id/nvme-Samsung_PM9A3",
    }
    assert (world.folder / "known_hosts.txt").read_text() == f"{KEY.line(TARGET)}\n"
    assert world.password.stat().st_mode & 0o777 == 0o600
    for word in ("125.6 GiB of memory", "node_exporter", "an empty SSD of 894.3 GiB", "*.swissphoto.ch A 192.0.2.10"):
        assert word in result.output
    steps = ["export ANSIBLE_INVENTORY=", "silo images --pin", "ansible-playbook playbooks/site.yml"]
    steps += ["silo check", "silo create"]
    places = [result.output.index(step) for step in steps]
    assert places == sorted(places)
    assert world.password.read_text().strip() not in result.output


def test_a_second_run_changes_nothing_and_says_so(world):
    world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    before, logins = world.state(), world.logins
    for arguments in ([], [*GIVEN, "--fingerprint", KEY.fingerprint], ["--domain", "other.ch"]):
        result = world.silo(world.folder, *arguments)
        assert result.exit_code == 0, result.output
        assert "is an inventory already, with a history of its own; nothing was changed" in result.output
    assert (world.state(), world.logins) == (before, logins)


def test_a_second_run_tells_that_the_vault_password_is_lost(world):
    world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    world.password.unlink()
    result = world.silo(world.folder)
    assert result.exit_code == 1
    assert "the vault password is missing here. Restore it from your second copy" in result.output
    assert not world.password.exists(), "another one would not open the vaults"


def test_a_password_that_is_there_is_used_and_never_written(world):
    world.password.write_text("an older one\n")
    world.password.chmod(0o600)
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    assert (result.exit_code, world.password.read_text()) == (0, "an older one\n")
    assert "the vault password, as it was" in result.output


def test_a_run_killed_before_the_inventory_is_completed_by_the_next(world, monkeypatch):
    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("silo.setup.repository.make", killed)
        assert world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint).exit_code == 1
    password = world.password.read_text()
    assert not world.folder.exists()
    assert world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint).exit_code == 0
    assert world.password.read_text() == password


def test_questions_are_asked_and_asked_again_until_an_answer_is_right(world):
    world.terminal = True
    typed = ["nowhere", "swissphoto.ch", "", "-oProxyCommand=x", "root@192.0.2.10", "y", ""]
    # Memory; photos; databases; ports; relay, its login, its sender and its password; certificates; billing; payment.
    typed += ["9T", "", "", "", "9100", "smtp.example.ch", "me", "", "hush", "staging", "perhaps", "no", ""]
    result = world.silo(world.folder, typed="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    assert KEY.fingerprint in result.output
    for sentence in ("domain is 'nowhere'", "server is '-oProxyCommand=x'", "--memory is '9T'", "yes or no"):
        assert sentence in result.output
    policy = world.read("group_vars/all/policy.yml")
    assert policy["silo_operator_email"] == "ops@swissphoto.ch"
    assert "staging" in policy["traefik_acme_directory_url"]
    assert world.read("host_vars/silo1/machine.yml")["host_open_ports"] == [{"port": 9100}]
    letters = world.read("group_vars/all/letters.yml")
    assert (letters["letters_relay_host"], letters["letters_relay_user"]) == ("smtp.example.ch", "me")
    file = world.home / ".silo-relay-password"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("hush\n", 0o600)
    assert "hush" not in result.output
    assert all(b"hush" not in path.read_bytes() for path in world.folder.rglob("*") if path.is_file())


def test_a_key_that_nobody_compared_writes_nothing(world):
    world.terminal = True
    refused = world.silo(world.folder, *GIVEN, typed="n\n")
    assert refused.exit_code == 1
    world.terminal = False
    unasked = world.silo(world.folder, *GIVEN)
    assert unasked.exit_code == 1
    assert f"Compare it, then add: --fingerprint {KEY.fingerprint}" in unasked.output
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in unasked.output
    world.keys["192.0.2.10"] = [OTHER]
    assert "ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub" in world.silo(world.folder, *GIVEN).output
    world.keys["192.0.2.10"] = [KEY, OTHER]
    other = world.silo(world.folder, *GIVEN, "--fingerprint", "SHA256:" + "a" * 43)
    assert other.exit_code == 1
    assert "somebody else answers there" in other.output
    assert (world.logins, world.files()) == (0, set())


def test_yes_does_not_stand_for_a_look_at_the_key(world):
    world.terminal = True
    assert world.silo(world.folder, *GIVEN, "--yes").exit_code == 1
    assert world.files() == set()


def test_a_key_of_an_earlier_login_needs_no_question(world):
    world.known = f"{OTHER.line(TARGET)}\n"
    result = world.silo(world.folder, *GIVEN)
    assert result.exit_code == 0, result.output
    assert "is the one in your known_hosts" in result.output
    assert (world.folder / "known_hosts.txt").read_text() == f"{OTHER.line(TARGET)}\n"


def test_another_key_than_that_of_an_earlier_login_is_told(world):
    stranger = OTHER.line(TARGET)
    world.known, world.keys["192.0.2.10"] = f"{stranger}\n", [KEY]
    result = world.silo(world.folder, *GIVEN)
    assert result.exit_code == 1
    assert "the machine was installed anew, or is another" in result.output


def test_a_server_that_is_not_fit_writes_nothing(world):
    world.says["192.0.2.10"] = (
        SAYS.replace("debian 13", "debian 12") + 'tcp LISTEN 0 9 *:80 *:* users:(("nginx",pid=1))\n'
    )
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    assert result.exit_code == 1
    for sentence in ("it runs debian 12, not Debian 13", "systemctl disable --now nginx", "Nothing was written."):
        assert sentence in result.output
    assert world.files() == set()


def test_what_a_server_says_acts_on_no_terminal(world):
    world.says["192.0.2.10"] = SAYS.replace("debian 13", "debian \x1b[31m13\x07")
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


def test_a_nas_of_its_own(world):
    nas = ("--nas", "admin@192.0.2.20", "--nas-fingerprint", OTHER.fingerprint)
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint, *nas)
    assert result.exit_code == 0, result.output
    assert world.read("hosts.yml")["nas"]["hosts"]["nas1"]["ansible_become"] is True
    assert world.read("host_vars/silo1/machine.yml")["host_storage_source"] == "192.0.2.20:/instances"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "nobody can be asked here (no terminal, or --yes), so name --domain, --contact, --server"),
        ([*GIVEN, "--uploads", "/dev/sdb", "--databases", "/dev/sdb"], "each needs a disk of its own"),
        ([*GIVEN, "--uploads", "/dev/sda", "--databases", f"{BY_ID}/wwn-0x5000c500a1b2c3d4"], "two names of one disk"),
        ([*GIVEN, "--databases", "/dev/sda"], f"are {BY_ID}/ata-ST8000VN004_ZR1 and /dev/sda, two names of one disk"),
        ([*GIVEN, "--memory", "64"], "without a letter it counts bytes"),
        ([*GIVEN, "--memory", "6G"], "that has no room for a tenant"),
        ([*GIVEN, "--relay", "smtp.example.ch", "--relay-user", "me"], "the relay's password is missing"),
        ([*GIVEN, "--ssh-key", "/nowhere/key"], "--ssh-key is '/nowhere/key'; there is no such file"),
        ([*GIVEN, "--nas-fingerprint", KEY.fingerprint], "name that with --nas"),
        ([*GIVEN, "--open-port", "all"], "open port is 'all'"),
        (["--domain", "{{ x }}", *GIVEN[2:]], "domain is '{{ x }}'"),
        ([*GIVEN, "--nas", "admin@192.0.2.10"], "NAS is 'admin@192.0.2.10', the server itself"),
        ([*GIVEN, "--name", "nas1", "--nas", "192.0.2.20"], "--name is 'nas1'; that is the NAS's name"),
        ([*GIVEN, "--ssh-key", "~nobody-here/key"], "this machine has no user of that name"),
        ([*GIVEN, "--vault-password-file", "~nobody-here/x"], "this machine has no user of that name"),
    ],
)
def test_wrong_input_is_one_sentence_and_nothing_is_written(world, arguments, sentence):
    more = ["--fingerprint", KEY.fingerprint] if GIVEN[-1] in arguments else []
    result = world.silo(world.folder, *arguments, *more)
    assert (result.exit_code, world.files()) == (2, set())
    assert sentence in result.output


def test_a_folder_of_nobody_is_one_sentence(world):
    result = world.silo("~nobody-here/inventory", *GIVEN)
    assert result.exit_code == 2
    assert "folder is '~nobody-here/inventory'; this machine has no user of that name" in result.output


@pytest.mark.parametrize(("named", "kept"), [("relay", None), ("~/relay", "~/relay")])
def test_the_relays_password_is_found_from_every_folder(world, monkeypatch, named, kept):
    monkeypatch.chdir(world.home)
    (world.home / "relay").write_text("secret\n")
    (world.home / "relay").chmod(0o600)
    relay = ("--relay", "smtp.example.ch", "--relay-user", "me", "--relay-password-file", named)
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint, *relay)
    assert result.exit_code == 0, result.output
    wanted = kept or str(world.home / "relay")
    assert world.read("group_vars/all/letters.yml")["letters_relay_password_file"] == wanted


def test_a_password_at_the_relay_may_be_anything_and_is_never_shown(world):
    world.terminal = True
    relay = ("--relay", "smtp.example.ch", "--relay-user", "me")
    typed = "\n" * 6 + "{{ pass#}word" + "\n" * 5
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint, *relay, typed=typed)
    assert "pass#" not in result.output
    assert result.exit_code == 0, result.output
    assert (world.home / ".silo-relay-password").read_text() == "{{ pass#}word\n"


def test_a_server_with_a_name_gets_an_alias_in_the_dns(world):
    world.keys["silo1.example.ch"], world.says["silo1.example.ch"] = [KEY], SAYS
    given = [*GIVEN[:4], "--server", "silo1.example.ch", "--fingerprint", KEY.fingerprint]
    result = world.silo(world.folder, *given)
    assert "*.swissphoto.ch CNAME silo1.example.ch" in result.output


@pytest.mark.parametrize("has_environment", [True, False])
def test_an_environment_is_named_only_where_there_is_one(world, monkeypatch, tmp_path, has_environment):
    place = tmp_path / "product"
    (place / ".venv" / "bin").mkdir(parents=True)
    if has_environment:
        (place / ".venv" / "bin" / "activate").touch()
    monkeypatch.setattr("silo.cli.init.root", lambda: place)
    result = world.silo(world.folder, *GIVEN, "--fingerprint", KEY.fingerprint)
    assert (f"cd {place}" in result.output, "bin/activate" in result.output) == (True, has_environment)


def test_it_refuses_the_products_clone_before_it_asks_anything(world):
    before = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    result = world.silo(ROOT / "inventory" / "production", *GIVEN, "--fingerprint", KEY.fingerprint)
    assert result.exit_code == 2
    assert "it is in a clone of SwissPhoto Silo" in result.output
    inside = world.silo(world.folder, *GIVEN, "--vault-password-file", ROOT / "vault-password")
    assert inside.exit_code == 2
    after = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert (after, world.logins, world.files()) == (before, 0, set())


def test_the_author_of_the_first_commit_is_the_one_who_was_named(world):
    arguments = ["--author", "Maria <maria@example.ch>", "init", str(world.folder), *GIVEN]
    result = CliRunner().invoke(cli.main, [*arguments, "--fingerprint", KEY.fingerprint])
    assert result.exit_code == 0, result.output
    command = ("git", "-C", str(world.folder), "log", "--format=%an %s")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "Maria Create the inventory\n"
