import datetime
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab import snapshot as module
from tests.lab.command import LabError, Result
from tests.lab.snapshot import SOURCES, Inventory, Snapshot, key_of, policy_of
from tests.lab.state import Directory

VOLUMES = {"srv": "silo-test-srv", "registry": "silo-test-internet-registry"}


class EngineOnDisk:
    """An engine whose volumes are directories; `cp` is the real one. `cut` is a command that fails, as if killed."""

    def __init__(self, root):
        self.root, self.images, self.labels, self.cut = root, set(), {}, None

    def run(self, *argv, stdin=b"", env=None, check=True):
        if self.cut and shlex.join(argv).startswith(self.cut):
            raise LabError("killed")
        result = self._answer(list(argv))
        if check and result.code:
            raise LabError(result.stderr)
        return result

    def _answer(self, argv):
        match argv:
            case ["cp", *_]:
                subprocess.run(argv, check=True)
            case ["docker", "volume", "create", *options, name]:
                (self.root / name).mkdir(exist_ok=True)
                self.labels[name] = "--label" in options
            case ["docker", "volume", "inspect", *_, name]:
                place = self.root / name
                return Result(0, f"{place}\n", "") if place.exists() else Result(1, "", "no such volume")
            case ["docker", "volume", "ls", *_]:
                return Result(0, "\n".join(name for name, is_labelled in self.labels.items() if is_labelled), "")
            case ["docker", "volume", "rm", *names]:
                for name in names:
                    shutil.rmtree(self.root / name)
                    del self.labels[name]
            case ["docker", "image", "ls", *_]:
                return Result(0, "\n".join(self.images), "")
            case ["docker", "image", "inspect", name]:
                return Result(0 if name in self.images else 1, "", "")
            case ["docker", "image", "rm", "--force", *names]:
                self.images -= set(names)
            case ["docker", "commit", *_, name]:
                self.images.add(name)
        return Result(0, "", "")


@pytest.fixture(autouse=True)
def lock(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK", tmp_path / "lock")


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "volumes").mkdir()
    engine = EngineOnDisk(tmp_path / "volumes")
    for name in VOLUMES.values():
        engine.run("docker", "volume", "create", name)
        (engine.root / name / "content").write_text(name)
        (engine.root / name / "content").chmod(0o640)
    return engine


@pytest.fixture
def lab(tmp_path):
    """The files of a lab, and its inventory."""
    return _files(tmp_path / "old", "old")


def _files(root, text):
    root.mkdir()
    directory = Directory(root / ".lab", "silo-test")
    directory.make()
    for path in (directory.lab_ca, directory.certificate, directory.key):
        directory.write(path, f"{text} {path.name}")
    inventory = Inventory(root / "inventory", root / "vault-password")
    (inventory.folder / "host_vars" / "hans").mkdir(parents=True)
    (inventory.folder / "host_vars" / "hans" / "vault.yml").write_text(f"{text} vault")
    inventory.vault_password.write_text(f"{text} password")
    inventory.vault_password.chmod(0o600)
    return directory, inventory


def keep(engine, lab, key="a"):
    Snapshot(engine, key).keep("silo-test", VOLUMES, *lab)


def unpack(engine, root, key="a"):
    """Make another lab from a snapshot; its files where there was one."""
    directory, inventory = _files(root, "new")
    (inventory.folder / "host_vars" / "hans" / "vault.yml").unlink()
    volumes = {part: f"silo-other-{part}" for part in VOLUMES}
    return (directory, inventory) if Snapshot(engine, key).unpack(volumes, directory, inventory) else None


def test_another_lab_gets_the_volumes_the_certificates_and_the_inventory(engine, lab, tmp_path):
    keep(engine, lab)
    directory, inventory = unpack(engine, tmp_path / "new")
    copied = engine.root / "silo-other-registry" / "content"
    assert copied.read_text() == "silo-test-internet-registry"
    assert copied.stat().st_mode & 0o777 == 0o640
    assert directory.key.read_text() == "old tls.key"
    assert directory.key.stat().st_mode & 0o777 == 0o600
    assert (inventory.folder / "host_vars" / "hans" / "vault.yml").read_text() == "old vault"
    assert inventory.vault_password.read_text() == "old password"
    assert inventory.vault_password.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("used", [".git/HEAD", "host_vars/maria/vault.yml"])
def test_an_inventory_that_somebody_works_with_is_not_replaced(engine, lab, tmp_path, used):
    keep(engine, lab)
    directory, inventory = _files(tmp_path / "new", "new")
    (inventory.folder / "host_vars" / "hans" / "vault.yml").unlink()
    (inventory.folder / used).parent.mkdir(parents=True)
    (inventory.folder / used).write_text("mine")
    with pytest.raises(LabError, match="is in use, and would be replaced"):
        Snapshot(engine, "a").unpack({part: f"silo-other-{part}" for part in VOLUMES}, directory, inventory)
    assert (inventory.folder / used).read_text() == "mine"
    assert inventory.vault_password.read_text() == "new password"
    assert not (engine.root / "silo-other-srv").exists()


def test_without_a_snapshot_of_that_key_nothing_is_touched(engine, lab, tmp_path):
    keep(engine, lab)
    assert unpack(engine, tmp_path / "new", key="b") is None
    assert (tmp_path / "new" / "vault-password").read_text() == "new password"
    assert not (engine.root / "silo-other-srv").exists()


def test_one_snapshot_is_kept_and_no_volume_of_a_lab_goes_with_the_others(engine, lab, tmp_path):
    keep(engine, lab)
    keep(engine, lab, key="b")
    assert not Snapshot(engine, "a").exists()
    assert Snapshot(engine, "b").exists()
    assert Snapshot.forget_all(engine) == "1 images, 3 volumes removed"
    assert {path.name for path in engine.root.iterdir()} == set(VOLUMES.values())


@pytest.mark.parametrize("cut", ["docker commit", "docker volume create --label"])
def test_one_that_was_cut_off_is_none(engine, lab, cut):
    engine.cut = cut
    with pytest.raises(LabError, match="killed"):
        keep(engine, lab)
    engine.cut = None
    assert not Snapshot(engine, "a").exists()
    Snapshot.forget_all(engine)
    assert {path.name for path in engine.root.iterdir()} == set(VOLUMES.values())


@pytest.mark.parametrize("part", ["image", "srv", "files"])
def test_one_of_which_a_part_was_pruned_is_none(engine, lab, part):
    keep(engine, lab)
    if part == "image":
        engine.images.clear()
    else:
        engine.run("docker", "volume", "rm", f"silo-lab-snapshot-a-{part}")
    assert not Snapshot(engine, "a").exists()


def test_one_older_than_a_week_is_none(engine, lab):
    keep(engine, lab)
    now = datetime.datetime.now(datetime.UTC)
    assert Snapshot(engine, "a").exists(now + datetime.timedelta(days=6, hours=23))
    assert not Snapshot(engine, "a").exists(now + datetime.timedelta(days=7))


def test_volumes_that_only_the_engine_reaches_are_an_error(engine, lab, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_arguments: False)
    with pytest.raises(LabError, match="only root of the engine's own machine reaches"):
        keep(engine, lab)


@pytest.fixture
def repository(tmp_path):
    for source in module.SOURCES:
        path = tmp_path / "repository" / source
        if "." in path.name:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        else:
            path.mkdir(parents=True)
            (path / "file").write_text(source)
    (tmp_path / "repository" / ".gitignore").write_text("*.egg-info/\n__pycache__/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path / "repository", check=True)
    return tmp_path / "repository"


def test_the_key_follows_from_all_that_goes_in_and_from_nothing_else(repository):
    keys = {key_of(repository), key_of(repository, "official")}
    for source in module.SOURCES:
        path = repository / source
        changed = path if path.is_file() else path / "file"
        changed.write_text("changed")
        keys.add(key_of(repository))
    assert len(keys) == len(module.SOURCES) + 2
    last = key_of(repository)
    (repository / "docs").mkdir()
    (repository / "docs" / "storage.md").write_text("not of a lab")
    (repository / "roles" / "__pycache__").mkdir()
    (repository / "roles" / "__pycache__" / "x.pyc").write_text("compiled")
    (repository / "src" / "silo.egg-info").mkdir()
    (repository / "src" / "silo.egg-info" / "SOURCES.txt").write_text("of an installation")
    assert key_of(repository) == last
    (repository / "roles" / "file").chmod(0o755)
    assert key_of(repository) != last


def test_all_that_the_key_is_made_of_is_there():
    key_of(module.Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("host_vars/hans/overrides.yml", False),
        ("host_vars/zora/tenant.yml", False),
        (".silo/durations.json", False),
        (".git/HEAD", False),
        ("host_vars/silo1/main.yml", True),
        ("group_vars/all/main.yml", True),
        ("hosts.yml", True),
    ],
)
def test_what_decides_how_servers_are_is_all_but_the_tenants(tmp_path, file, changes):
    for name in ("hosts.yml", "host_vars/silo1/main.yml", "host_vars/hans/tenant.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("---\n")
    before = policy_of(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("---\nchanged: true\n")
    assert (policy_of(tmp_path) != before) is changes


def test_all_that_a_role_packs_decides_what_a_converged_lab_is():
    """Whoever moves a folder of which servers get files moves it here as well."""
    repository = Path(__file__).parents[3]
    packed = {
        name
        for file in repository.glob("roles/*/vars/main.yml")
        for name in re.findall(r"/\.\./\.\./(\w+)/", file.read_text())
    }
    assert "server" in packed
    assert packed <= set(SOURCES)
    assert [name for name in SOURCES if not (repository / name).exists()] == []
