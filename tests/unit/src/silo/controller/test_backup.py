"""What makes a machine the controller, in one file that only its owner opens, and back on another machine."""

import contextlib
import dataclasses
import datetime
import gzip
import io
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from silo import backup_record, cli
from silo.cli import controller
from silo.controller import archive, backup, keys, restore, vaults
from silo.controller.errors import ControllerError
from silo.state import State
from tests.unit.forks import ROOT

GIT = ["git", "-c", "user.name=T", "-c", "user.email=t@example.ch"]
SECRET = "not-for-anybody"  # noqa: S105 - a text to look for


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A controller with all that it can have."""
    inventory, home = tmp_path / "old" / "inventory", tmp_path / "old" / "home"
    shutil.copytree(ROOT / "tests" / "inventory", inventory)
    (inventory / "host_vars" / "anna" / "vault.yml").write_text(f"tenant_secrets: {SECRET}\n")
    (inventory / "host_vars" / "anna" / "vault.yml").chmod(0o600)
    state = inventory / ".silo"
    state.mkdir(mode=0o700)
    (state / "run.lock").write_text("1\n")
    (state / "billing").mkdir()
    (state / "billing" / "sub_1").write_text("")
    (inventory / "link").symlink_to("hosts.yml")
    for arguments in (["init", "-q"], ["add", "hosts.yml"], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *arguments], cwd=inventory, check=True)
    home.mkdir(parents=True)
    (home / ".ssh").mkdir(mode=0o700)
    for name, text in (("id_ed25519", SECRET), ("known_hosts", "silo1 ssh-ed25519 A\n"), ("authorized_keys", "me")):
        (home / ".ssh" / name).write_text(text)
        (home / ".ssh" / name).chmod(0o600)
    (home / "vault-password").write_text(SECRET)
    (tmp_path / "old" / "stripe").write_text(SECRET)
    for name in backup.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(home / "vault-password"))
    return backup.Controller(inventory, home, (home / "vault-password", tmp_path / "old" / "stripe"), "swissphoto.ch")


@pytest.fixture
def key(old, tmp_path):
    path = tmp_path / "key"
    keys.make(path, old.inventory)
    return path


@pytest.fixture
def outbox(old):
    """A database whose last transaction is in its log only, and which is open."""
    with contextlib.closing(sqlite3.connect(old.inventory / ".silo" / "outbox.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE letter (text)")
        database.execute("INSERT INTO letter VALUES ('waits')")
        yield database


def opened(path, key):
    return restore.open_backup(path, keys.read_identities(key))


def names(found):
    return {f"{entry.place}/{entry.path}" for entry in found.entries}


def test_all_that_cannot_be_made_again_is_in_it(old, key, outbox, tmp_path):
    done = backup.write(old, tmp_path / "backup.age")
    found = opened(done.path, key)
    stripe = str(tmp_path / "old" / "stripe").removeprefix("/")
    assert names(found) >= {
        *("inventory/hosts.yml", "inventory/host_vars/anna/vault.yml", "inventory/.git/HEAD", "inventory/link"),
        *("inventory/.silo/outbox.db", "inventory/.silo/backup-recipients", "home/vault-password", f"root/{stripe}"),
        *("home/.ssh/id_ed25519", "home/.ssh/known_hosts"),
    }
    gone = {"inventory/.silo/run.lock", "inventory/.silo/billing/sub_1", "inventory/.silo/outbox.db-wal"}
    assert not names(found) & (gone | {"home/.ssh/authorized_keys"})
    assert found.manifest.problems == []
    assert found.manifest.environment == {"SILO_VAULT_PASSWORD_FILE": str(old.home / "vault-password")}
    assert found.manifest.inventory == str(old.inventory)


def test_nobody_else_reads_it(old, key, tmp_path):
    done = backup.write(old, tmp_path / "backup.age")
    assert done.path.stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in done.path.read_bytes()
    other = tmp_path / "other"
    (tmp_path / "elsewhere" / ".silo").mkdir(parents=True)
    keys.make(other, tmp_path / "elsewhere")
    with pytest.raises(ControllerError, match=f"{done.path}: it cannot be opened"):
        opened(done.path, other)


def test_one_changed_byte_is_noticed(old, key, tmp_path):
    path = backup.write(old, tmp_path / "backup.age").path
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ControllerError, match="it cannot be opened"):
        opened(path, key)


def test_what_a_disk_does_not_give_back_is_no_backup(old, key, tmp_path, monkeypatch):
    monkeypatch.setattr(backup.archive, "unseal", lambda *_arguments: b"something else")
    with pytest.raises(ControllerError, match="returned other bytes than were written"):
        backup.write(old, tmp_path / "backup.age")
    assert not [path.name for path in tmp_path.iterdir() if "backup" in path.name]
    assert backup_record.read(old.inventory) is None


def test_without_somebody_who_could_open_it_there_is_none(old, tmp_path):
    with pytest.raises(ControllerError, match="'silo controller key FILE' makes a key"):
        backup.write(old, tmp_path / "backup.age")
    keys.recipients_file(old.inventory).write_text("age1nobody\n")
    with pytest.raises(ControllerError, match="'age1nobody' is no recipient"):
        backup.write(old, tmp_path / "backup.age")


def test_a_key_of_ssh_opens_it_too(old, tmp_path):
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(tmp_path / "id")], check=True)
    keys.recipients_file(old.inventory).write_text((tmp_path / "id.pub").read_text())
    assert opened(backup.write(old, tmp_path / "backup.age").path, tmp_path / "id").entries


def test_what_cannot_be_read_is_said_and_the_rest_is_kept(old, key, tmp_path):
    done = backup.write(backup.Controller(old.inventory, old.home, (tmp_path / "gone",)), tmp_path / "backup.age")
    (problem,) = opened(done.path, key).manifest.problems
    assert problem == f"{tmp_path / 'gone'} cannot be read: No such file or directory"
    assert backup_record.read(old.inventory).problems == [problem]


def test_a_history_that_lies_elsewhere_is_said(old, key, tmp_path):
    shutil.rmtree(old.inventory / ".git")
    subprocess.run(["git", "init", "-q"], cwd=old.inventory.parent, check=True)
    (problem,) = backup.write(old, tmp_path / "backup.age").backup.manifest.problems
    assert f"lies in {old.inventory.parent}" in problem


def test_a_folder_keeps_the_newest(old, key, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(1, 4):
        (folder / f"silo-controller-swissphoto.ch-2026110{day}T000000Z.age").write_text("")
    others = ["mine", *(f"silo-controller-{name}20261101T000000Z.age" for name in ("", "swissphoto.ch-b.ch-", "b.ch-"))]
    for name in others:
        (folder / name).write_text("")
    done = backup.write(old, folder, keep=2)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*others, "silo-controller-swissphoto.ch-20261103T000000Z.age", done.path.name]
    )
    assert len(done.removed) == 2


@pytest.mark.parametrize(("name", "host", "begin"), [("", "Box1", "box1"), ("../x", "b", "b"), ("", "_", "unnamed")])
def test_a_controller_without_a_domain_is_called_as_its_machine(old, key, tmp_path, monkeypatch, name, host, begin):
    monkeypatch.setattr(backup.socket, "gethostname", lambda: host)
    done = backup.write(dataclasses.replace(old, name=name), tmp_path, keep=1)
    assert done.path.name.startswith(f"silo-controller-{begin}-2")


def test_a_folder_that_is_not_there_is_no_file(old, key, tmp_path):
    with pytest.raises(ControllerError, match="is no folder, so no older backups can be removed there"):
        backup.write(old, tmp_path / "mnt", keep=2)
    assert not (tmp_path / "mnt").exists()


def test_a_backup_is_never_replaced(old, key, tmp_path):
    (tmp_path / "backup.age").write_text("the only one")
    with pytest.raises(ControllerError, match="exists, and no backup is replaced"):
        backup.write(old, tmp_path / "backup.age")
    assert (tmp_path / "backup.age").read_text() == "the only one"


def test_the_last_one_is_written_down(old, key, tmp_path):
    done = backup.write(old, tmp_path / "backup.age")
    found = backup_record.read(old.inventory)
    assert (found.path, found.problems) == (str(done.path), [])
    assert datetime.datetime.now(datetime.UTC) - found.at < datetime.timedelta(minutes=5)


# Restore


def tree(top):
    """Path to mode and content of all below a folder, but for what git and silo keep for now only."""
    found = {}
    for path in sorted(top.rglob("*")):
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path.relative_to(top))] = (oct(path.lstat().st_mode), content)
    return found


@pytest.fixture
def lost(old, key, outbox, tmp_path):
    """A backup, and the machine without its controller; what it had, by its former places."""
    path = backup.write(old, tmp_path / "backup.age").path
    had = {"inventory": tree(old.inventory), "home": tree(old.home)}
    outbox.close()
    shutil.rmtree(tmp_path / "old")
    return opened(path, key), had


# What is not of a restart, and what came after the backup.
LEFT_OUT = (".silo/run.lock", ".silo/billing", ".silo/backup.json", ".silo/outbox.db", ".ssh/authorized_keys")


def of_a_restart(found):
    return {name: one for name, one in found.items() if not name.startswith(LEFT_OUT)}


def test_a_lost_controller_is_back(lost, old, tmp_path):
    found, had = lost
    planned = restore.plan(found)
    old.home.mkdir(parents=True)
    planned = restore.plan(found)
    restore.carry_out(planned)
    assert of_a_restart(tree(old.inventory)) == of_a_restart(had["inventory"])
    assert of_a_restart(tree(old.home)) == of_a_restart(had["home"])
    with contextlib.closing(sqlite3.connect(old.inventory / ".silo" / "outbox.db")) as database:
        assert database.execute("SELECT text FROM letter").fetchall() == [("waits",)]
    log = subprocess.run(["git", "log", "--format=%s"], cwd=old.inventory, check=True, capture_output=True, text=True)
    assert log.stdout == "first\n"
    assert restore.plan(found).steps == []
    assert restore.next_steps(found, planned)[0] == f"export SILO_VAULT_PASSWORD_FILE={old.home / 'vault-password'}"


@pytest.mark.parametrize("after", [0, 1, 7, 20])
def test_a_restore_that_was_cut_off_is_completed(lost, old, monkeypatch, after):
    found, had = lost
    old.home.mkdir(parents=True)
    made, real = [], restore._make

    def make(step):
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(step)
        real(step)

    monkeypatch.setattr(restore, "_make", make)
    with pytest.raises(KeyboardInterrupt):
        restore.carry_out(restore.plan(found))
    monkeypatch.setattr(restore, "_make", real)
    restore.carry_out(restore.plan(found))
    assert of_a_restart(tree(old.inventory)) == of_a_restart(had["inventory"])
    assert restore.plan(found).steps == []


def test_what_is_there_with_another_mode_or_owner_gets_its_own(lost, old, monkeypatch):
    found, had = lost
    old.home.mkdir(parents=True)
    restore.carry_out(restore.plan(found))
    for path in (old.inventory / "host_vars", old.inventory / "hosts.yml"):
        path.chmod(0o700)
    (old.home / ".ssh" / "known_hosts").chmod(0o644)
    planned = restore.plan(found)
    assert [step.entry.path for step in planned.steps] == ["host_vars", "hosts.yml"]
    restore.carry_out(planned)
    assert of_a_restart(tree(old.inventory)) == of_a_restart(had["inventory"])
    owners = []
    monkeypatch.setattr(restore.os, "chown", lambda path, *owner, **_options: owners.append((path.name, *owner)))
    monkeypatch.setattr(restore.os, "geteuid", lambda: 0)
    monkeypatch.setattr(restore, "_number", lambda _name, _look_up, _number: 4711)
    restore.carry_out(restore.plan(found))
    assert {("host_vars", 4711, 4711), ("hosts.yml", 4711, 4711), ("link", 4711, 4711)} <= set(owners)


def test_a_file_has_its_owner_and_mode_before_its_name(tmp_path, monkeypatch):
    """The power fails as soon as it has a name."""
    own = (os.getuid(), os.getgid())
    monkeypatch.setattr(restore.os, "geteuid", lambda: 0)
    monkeypatch.setattr(restore, "_number", lambda _name, look_up, _number: own[look_up is not restore.pwd.getpwnam])
    given, real = [], os.fchown
    monkeypatch.setattr(os, "fchown", lambda handle, *owner: (given.append(owner), real(handle, *owner)))

    def link(_aside, path):
        assert (given, Path(_aside).stat().st_mode & 0o777) == ([own], 0o640)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "unlink", lambda *_path, **_options: None)
    found = of({}, archive.Entry("inventory", "hosts.yml", "file", 0o640), inventory=str(tmp_path), home=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        restore.carry_out(restore.plan(found))
    assert [path.name for path in tmp_path.iterdir()] == [".hosts.yml.restored"]
    monkeypatch.undo()
    restore.carry_out(restore.plan(found))
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.yml"]


@pytest.mark.parametrize("name", ["nobody-here", "a b;id"])
def test_a_machine_without_the_owner_of_the_inventory_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(restore.os, "geteuid", lambda: 0)
    entry = archive.Entry("inventory", ".", "directory", 0o700, name, name, 4711, 4711)
    found = of({}, entry, inventory=str(tmp_path / "i"), home="/home/nobody here")
    line = f"useradd --create-home --home-dir '/home/nobody here' --shell /bin/bash -- {shlex.quote(name)}"
    with pytest.raises(ControllerError, match=f"belongs to {name}, .*Nothing was restored.*{line}$"):
        restore.plan(found)
    assert not (tmp_path / "i").exists()
    assert restore.plan(found, tmp_path / "look").steps
    monkeypatch.setattr(restore.os, "geteuid", lambda: 1000)
    assert restore.plan(found).steps


def test_nothing_that_is_there_is_replaced(lost, old, tmp_path):
    found, _had = lost
    old.inventory.mkdir(parents=True)
    (old.inventory / "hosts.yml").write_text("another one")
    with pytest.raises(ControllerError, match=f"{old.inventory}/hosts.yml. Nothing was restored"):
        restore.plan(found)
    assert tree(old.inventory).keys() == {"hosts.yml"}
    planned = restore.plan(found, tmp_path / "tried")
    restore.carry_out(planned)
    assert (tmp_path / "tried" / "inventory" / "host_vars" / "anna" / "vault.yml").read_text().endswith(f"{SECRET}\n")
    assert all(step.path.is_relative_to(tmp_path / "tried") for step in planned.steps)


def test_hosts_that_are_known_already_stay_known(lost, old):
    found, _had = lost
    (old.home / ".ssh").mkdir(parents=True)
    (old.home / ".ssh" / "known_hosts").write_text("github.com ssh-ed25519 B\n")
    restore.carry_out(restore.plan(found))
    assert (old.home / ".ssh" / "known_hosts").read_text() == "github.com ssh-ed25519 B\nsilo1 ssh-ed25519 A\n"
    assert restore.plan(found).steps == []


def test_no_link_leads_a_file_out_of_its_place(lost, old, tmp_path):
    found, _had = lost
    old.inventory.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (old.inventory / "host_vars").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ControllerError, match="host_vars is a symbolic link"):
        restore.plan(found)


# A file that somebody else made for the recipient, who is no secret


def forged(name="files/root/etc/passwd", manifest=None, kind=b"0", link=""):
    said = {
        **{"format": 1, "at": "2026-11-01T00:00:00+00:00", "host": "h", "version": "0", "commit": ""},
        **{"inventory": "/i", "home": "/h", "environment": {}, "problems": []},
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, content in (("silo.json", json.dumps(said | (manifest or {})).encode()), (name, b"x")):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            if path == name:
                info.type, info.linkname = kind, link
                info.size = len(content) if kind == b"0" else 0
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no tar",
        forged("files/inventory/../../etc/passwd"),
        forged("files/elsewhere/x"),
        forged("/etc/passwd"),
        forged("files"),
        forged(kind=b"1", link="files/root/etc/shadow"),
        forged(kind=b"3"),
        forged(manifest={"format": 2}),
        forged(manifest={"inventory": "relative"}),
        forged(manifest={"inventory": None}),
        forged(manifest={"environment": []}),
        forged(manifest={"problems": [1]}),
    ],
)
def test_what_is_no_backup_is_refused_by_a_sentence(packed):
    with pytest.raises(ControllerError):
        archive.unpack(packed)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2**16)
    with pytest.raises(ControllerError, match="more than 65536 bytes"):
        archive.unpack(gzip.compress(bytes(2**20)))
    large = archive.Entry("root", "x", "file", 0o600, content=bytes(2**17))
    with pytest.raises(ControllerError, match="at most 65536"):
        archive.pack(archive.Backup(archive.unpack(forged()).manifest, (large,)))


# The command line


def run(*arguments, **options):
    return CliRunner().invoke(cli.main, list(map(str, arguments)), env={"COLUMNS": "200"}, **options)


def test_the_commands_from_a_key_to_a_restore(old, tmp_path, monkeypatch):
    monkeypatch.setattr("silo.cli.controller._named", lambda _context: controller._Named())
    monkeypatch.setenv("SILO_BILLING_INBOX", str(tmp_path / "nowhere" / "inbox.db"))
    silo = ("-i", old.inventory, "controller")
    key, path = tmp_path / "key", tmp_path / "backup.age"
    assert run(*silo, "key", key).exit_code == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert run(*silo, "key", key).exit_code == 1
    done = run(*silo, "backup", path)
    assert done.exit_code == 0, done.output
    assert "it was opened again, and is whole" in done.output
    again = run(*silo, "backup", path)
    assert (again.exit_code, "no backup is replaced" in again.output) == (1, True)
    listed = run(*silo, "backup", path, "--list", "--key", key)
    assert "host_vars/anna/vault.yml" in listed.output
    assert SECRET not in listed.output
    assert "name the file of the key with --key" in run(*silo, "restore", path).output
    shown = run("controller", "restore", path, "--key", key, "--to", tmp_path / "new", "-n")
    assert (shown.exit_code, (tmp_path / "new").exists()) == (0, False)
    assert run("controller", "restore", path, "--key", key, "--to", tmp_path / "new", "-y").exit_code == 0
    assert (tmp_path / "new" / "inventory" / "hosts.yml").exists()


def test_a_key_that_others_read_is_refused(old, key, tmp_path):
    key.chmod(0o644)
    with pytest.raises(ControllerError, match="set its mode to 0600"):
        keys.read_identities(key)
    (tmp_path / "no").write_text("AGE-SECRET-KEY-1NO\n")
    (tmp_path / "no").chmod(0o600)
    with pytest.raises(ControllerError, match="there is no key in it") as refused:
        keys.read_identities(tmp_path / "no")
    assert "1NO" not in str(refused.value)


def of(environment, *entries, inventory="/i", home="/h"):
    made = archive.Manifest("2026-11-01T00:00:00+00:00", "h", inventory, home, "0", "", environment)
    return archive.unpack(archive.pack(archive.Backup(made, entries)))


@pytest.mark.parametrize(
    "entries",
    [
        [("home", "x", "link"), ("home", "x/evil", "file")],
        [("home", "i", "link"), ("inventory", "evil", "file")],
        [("home", "x", "link"), ("home", "x", "directory")],
        [("home", "x", "file"), ("home", "x/y/evil", "file")],
    ],
)
def test_no_link_of_the_backup_itself_leads_a_file_out_of_its_place(tmp_path, entries):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    made = [archive.Entry(place, path, kind, 0o777, content=str(outside).encode()) for place, path, kind in entries]
    (tmp_path / "h").mkdir()
    found = of({}, *made, inventory=str(tmp_path / "h" / "i"), home=str(tmp_path / "h"))
    with pytest.raises(ControllerError, match="is below|is two things"):
        restore.carry_out(restore.plan(found))
    assert (list(outside.iterdir()), outside.stat().st_mode & 0o777) == ([], 0o700)


def test_the_lines_to_type_are_harmless_and_name_the_files_where_they_are(tmp_path):
    password = {"SILO_VAULT_PASSWORD_FILE": "/h/a b;id", "SILO_STRIPE_KEY_FILE": "/etc/stripe"}
    found = of(password | {"X;id;_FILE": "1"})
    lines = restore.next_steps(found, restore.plan(found, tmp_path))
    assert lines[:3] == [
        f"export SILO_STRIPE_KEY_FILE={tmp_path}/root/etc/stripe",
        f"export SILO_VAULT_PASSWORD_FILE='{tmp_path}/home/a b;id'",
        f"export SILO_INVENTORY={tmp_path}/inventory ANSIBLE_INVENTORY={tmp_path}/inventory",
    ]


def test_what_was_in_a_home_that_is_gone_belongs_to_who_restores(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(restore.os, "geteuid", lambda: 0)
    owners = []
    monkeypatch.setattr(
        restore.files, "create", lambda *given, owner, **_options: owners.append((given[0].name, owner))
    )
    entries = [
        archive.Entry(place, path, "file", 0o600, "nobody-here", "nobody-here", 4711, 4711)
        for place, path in (("home", ".ssh/config"), ("inventory", "hosts.yml"))
    ]
    found = of({}, *entries, inventory=str(tmp_path / "i"), home=str(tmp_path / "gone"))
    restore.carry_out(restore.plan(found))
    assert owners == [("config", None), ("hosts.yml", (4711, 4711))], "ssh takes no settings of somebody else"


@pytest.mark.parametrize("folder", ["/h/../etc", "/h/.."])
def test_a_folder_that_leads_elsewhere_than_it_says_is_refused(folder):
    with pytest.raises(ControllerError, match="no absolute path"):
        of({}, home=folder)


def test_a_broken_stream_and_a_file_with_holes_are_sentences():
    whole = gzip.compress(bytes(range(256)) * 9)
    for place in range(10, 60):
        broken = bytearray(whole)
        broken[place] ^= 0x55
        with pytest.raises(ControllerError):
            archive.unpack(bytes(broken))
    with pytest.raises(ControllerError, match="is no file of a backup"):
        archive.unpack(forged(kind=b"S"))


def test_a_link_is_kept_with_the_file_to_which_it_leads(old, key, tmp_path):
    for name in ("real-password", "real-config"):
        (tmp_path / "old" / name).write_text(SECRET)
    (old.home / "password").symlink_to(tmp_path / "old" / "real-password")
    (old.inventory / "in-it").symlink_to(tmp_path / "old" / "real-password")
    (old.home / ".ssh" / "config").symlink_to(tmp_path / "old" / "real-config")
    (old.home / ".ssh" / "keys").symlink_to(tmp_path / "old")
    for named in (old.home / "password", old.inventory / "in-it"):
        found = backup.collect(backup.Controller(old.inventory, old.home, (named,)))
        root = {tmp_path.root + entry.path for entry in found.entries if entry.place == "root"}
        assert root == {str(tmp_path / "old" / name) for name in ("real-password", "real-config")}
        assert "home/.ssh/config" in names(found)
        (problem,) = found.manifest.problems
        assert "keys leads to the folder" in problem


def test_neither_a_key_nor_a_backup_lies_in_the_inventory(old, key):
    with pytest.raises(ControllerError, match="name a file outside of it"):
        keys.make(old.inventory / "key", old.inventory)
    (old.inventory / "backups").mkdir()
    with pytest.raises(ControllerError, match="is in the inventory"):
        backup.write(old, old.inventory / "backups")
    assert not list((old.inventory / "backups").iterdir())


def test_a_key_is_made_for_an_inventory_that_is_new(tmp_path):
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    first = keys.make(tmp_path / "key", inventory)
    assert (inventory / ".silo" / ".gitignore").read_text() == "*\n"
    place = keys.recipients_file(inventory)
    place.write_text(first)  # somebody's editor wrote no end of the line
    second = keys.make(tmp_path / "other", inventory)
    assert place.read_text().splitlines() == [first, second]
    assert len(keys.recipients(inventory)) == 2


def test_an_inventory_that_cannot_be_read_is_kept_as_it_is(old, key, tmp_path, monkeypatch):
    monkeypatch.setenv("SILO_BILLING_INBOX", str(tmp_path / "nowhere" / "inbox.db"))
    (old.inventory / "hosts.yml").write_text("servers: [\n")
    path = tmp_path / "backup.age"
    done = run("-i", old.inventory, "controller", "backup", path)
    assert (done.exit_code, "whether there is a file with the relay's password is unknown" in done.output) == (1, True)
    assert "whether there is a key of SSH outside of ~/.ssh is unknown" in done.output
    assert len(backup_record.read(old.inventory).problems) == 2
    kept = {entry.path: entry.content for entry in opened(path, key).entries if entry.place == "inventory"}
    assert kept["hosts.yml"] == b"servers: [\n"


def test_a_vault_that_is_named_twice_is_put_away_once(tmp_path, monkeypatch):
    vault = tmp_path / "host_vars" / "hans" / "vault.yml"
    vault.parent.mkdir(parents=True)
    vault.write_text("lost")
    monkeypatch.setattr(vaults.vault, "try_open", lambda paths: ({str(path): "no" for path in paths}, ""))
    monkeypatch.setattr(vaults.runner, "events", lambda *_arguments: [])
    (moved,) = vaults.rebuild(tmp_path, State(tmp_path), ["hans", "hans"])
    assert (moved.read_text(), vault.exists()) == ("lost", False)


def test_the_files_that_the_inventory_names_are_kept_wherever_they_are(old, key, tmp_path, monkeypatch):
    """Also by root, whose ~ is another one than that of the timers."""
    monkeypatch.setenv("SILO_BILLING_INBOX", str(tmp_path / "nowhere" / "inbox.db"))
    monkeypatch.setenv("HOME", str(tmp_path / "root"))
    monkeypatch.setattr(backup, "home_of", lambda _inventory: old.home)
    ssh, relay = tmp_path / "old" / "silo key", old.home / "relay-password"
    for file in (ssh, relay):
        file.write_text(SECRET)
    (old.inventory / "group_vars" / "all" / "connection.yml").write_text(
        f"key_folder: {tmp_path}/old\nansible_ssh_private_key_file: '{{{{ key_folder }}}}/silo key'\n"
        "letters_relay_host: mail.example.ch\nletters_sender: ops@example.ch\n"
        "letters_relay_user: ops\nletters_relay_password_file: ~/relay-password\n"
    )
    done = run("-i", old.inventory, "--no-commit", "controller", "backup", tmp_path)
    assert done.exit_code == 0, done.output
    (path,) = tmp_path.glob("silo-controller-*.age")
    assert names(opened(path, key)) >= {f"root/{ssh}".replace("//", "/"), "home/relay-password"}
    (old.inventory / "group_vars" / "all" / "connection.yml").write_text(
        "ansible_ssh_private_key_file: '{{ no_such }}'\n"
    )
    done = run("-i", old.inventory, "--no-commit", "controller", "backup", tmp_path / "other.age")
    assert (done.exit_code, "name the key of SSH with --also" in done.output) == (1, True), done.output
