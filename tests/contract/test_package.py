"""The package is built of a working copy, installed into an empty folder, and used from another one, offline."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from .world import ROOT

HOME = "silo/home"
COLLECTION = f"{HOME}/collections/ansible_collections/swissphoto/silo"
# What a working copy has and nobody shall have.
LOCAL = (
    *("inventory/mine/host_vars/hans/vault.yml", "inventory/example/host_vars/anna/vault.yml", ".lab/vault-password"),
    *("inventory/example/.silo/outbox.db", "inventory/example/.silo-edit/steps.json"),
)
PYTHON = [sys.executable, "-P"]


def tracked(*folders):
    """Return the files that git knows."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *folders]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [path for path in said.split("\0") if path and (ROOT / path).is_symlink() | (ROOT / path).exists()]


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    place = tmp_path_factory.mktemp("package")
    copy = place / "copy"
    for path in tracked():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path, follow_symlinks=False)
    for path in LOCAL:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_text("secret")
    before = files(copy)
    pip("wheel", "--no-build-isolation", "--wheel-dir", place, copy)
    assert files(copy) - before == set(), "it leaves something in the tree"
    (built,) = place.glob("silo-*.whl")
    return built


def pip(*arguments):
    command = [*PYTHON, "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SILO_"))}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [*command, *map(str, arguments[1:])], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(wheel):
    folder = wheel.parent / "installed"
    pip("install", "--target", folder, wheel)
    return folder


@pytest.fixture(scope="module")
def elsewhere(installed):
    """Runs a command of Python from a folder that has nothing to do with the repository."""
    folder = installed.parent / "elsewhere"
    folder.mkdir()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SILO_", "PYTHON"))}
    # What is installed besides, which has no silo where the package is tested by an installed one.
    beside = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(ROOT / "src")]
    environment = ours | {"PYTHONPATH": os.pathsep.join([str(installed), *beside]), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments, **more):
        command = [*PYTHON, *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, env=environment | more, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def test_it_has_all_that_git_knows_of_what_silo_runs_and_nothing_local(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {path.removeprefix("src/") for path in tracked("src")} - names == set()
    for folder in ("plugins", "roles", "server", "meta"):
        assert {f"{COLLECTION}/{path}" for path in tracked(folder)} - names == set()
    policy = [path for path in tracked("group_vars")]
    played = [f"playbooks/{path}" for path in policy]
    books = [path for path in tracked("playbooks") if path.endswith(".yml")]
    example = tracked("inventory/example")
    wanted = ["ansible.cfg", "tools/vault-password", *policy, *played, *books, *example]
    assert {f"{HOME}/{path}" for path in wanted} - names == set()
    assert not [name for name in names if Path(name).name == "vault.yml" or name.endswith(".pyc") or "/tests/" in name]
    assert not [name for name in names if "/.silo" in name]


def test_it_finds_its_own_files_from_anywhere(elsewhere, installed):
    said = elsewhere("-c", "from silo import repository; print(repository.root()); print(repository.collection())")
    assert said.stdout.splitlines() == [str(installed / HOME), str(installed / COLLECTION)], said.stderr
    assert elsewhere("-m", "silo", "capacity", "--tenants", "15").returncode == 0
    assert os.access(installed / HOME / "tools" / "vault-password", os.X_OK)


def test_every_playbook_finds_its_roles_and_tasks(elsewhere, installed):
    books = sorted(map(str, (installed / HOME / "playbooks").glob("*.yml")))
    inventory = installed / HOME / "inventory" / "example"
    found = elsewhere(
        Path(sys.executable).with_name("ansible-playbook"),
        *("-i", inventory, "--list-tasks", *books),
        ANSIBLE_CONFIG=str(installed / HOME / "ansible.cfg"),
        SILO_VAULT_PASSWORD_FILE=str(ROOT / "pyproject.toml"),
    )
    assert found.returncode == 0, found.stderr
    assert "silo:scope" in found.stdout


def test_a_plan_runs_from_there(elsewhere, tmp_path):
    """Up to the first machine, which is not there: the inventory is read by the collection that came along."""
    hosts = {
        group: {"hosts": {"silo1": {"ansible_host": "127.0.0.1", "ansible_port": 1}}} for group in ("servers", "nas")
    }
    tenant = {"tenant_index": 1, "tenant_plan": "small", "tenant_email": "hans@example.ch"}
    written = {
        "hosts.yml": hosts,
        "tenants.yml": {"plugin": "swissphoto.silo.tenants"},
        "host_vars/hans/tenant.yml": tenant,
    }
    for path, value in written.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(yaml.safe_dump(value))
    (tmp_path / "password").write_text("x")
    given = {"SILO_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
    shown = elsewhere("-m", "silo", "-i", tmp_path, "stop", "hans", "--dry-run", **given)
    assert (shown.returncode, "+tenant_state: stopped" in shown.stdout) == (0, True), shown.stderr
    failed = elsewhere("-m", "silo", "-i", tmp_path, "plan", "--json", **given)
    assert failed.returncode == 1
    assert "silo1" in failed.stderr
    assert not failed.stdout or json.loads(failed.stdout)
