"""The collection is built, installed into an empty folder, and used from another one by its full names, offline."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.precedence import LINE

from .world import ROOT

INSTALLED = Path("ansible_collections", "swissphoto", "silo")
NOT_SHIPPED = {"inventory", "src", "tests", "tools"}
# Files that a working copy has and no artifact may have: they hold secrets, or are large.
LOCAL = ("inventory/mine/host_vars/hans/vault.yml", ".lab/inventory/hosts.yml", ".venv/pyvenv.cfg", ".cache/some")
TENANTS = {"anna": {"tenant_index": 1, "tenant_plan": "small"}, "hans": {"tenant_index": 2, "tenant_plan": "large"}}
HOSTS = {group: {"hosts": {"silo1": {}}} for group in ("servers", "nas")}
LOCALHOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
OUTCOMES = {"hans": {"observed": "stopped", "desired": "running", "changes": [], "error": "", "note": ""}}
OWNER = {"owner": str(os.getuid()), "group": str(os.getgid())}
FILES = [{"path": "{{ place }}/module", "state": "directory"}, {"path": "{{ place }}/module/file", "content": "text\n"}]
TASKS = {
    "Scope": {"swissphoto.silo.tenant_scope": {}},
    "Module": {"swissphoto.silo.files": {"files": [file | OWNER for file in FILES]}},
    "Filter": {"ansible.builtin.debug": {"msg": "{{ outcomes | swissphoto.silo.tenant_table }}"}},
    "Groups": {"ansible.builtin.debug": {"msg": "{{ groups }}"}},
}


def tracked(*folders):
    """Return the files that git knows."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *folders]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [path for path in said.split("\0") if path and (ROOT / path).is_symlink() | (ROOT / path).exists()]


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else yaml.safe_dump(value))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("collection")


@pytest.fixture(scope="module")
def environment(place):
    """A machine with Ansible and the package silo, and with no repository."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SILO_"))}
    package = place / "packages" / "silo"
    shutil.copytree(ROOT / "src" / "silo", package, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "work").mkdir()
    return ours | {
        "ANSIBLE_COLLECTIONS_PATH": str(place / "installed"),
        "ANSIBLE_HOME": str(place / "ansible"),
        "ANSIBLE_PRECEDENCE": LINE.partition(" = ")[2],
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture(scope="module")
def ansible(place, environment):
    def run(program, *arguments):
        command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
        done = subprocess.run(command, cwd=place / "work", env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def tarball(place, ansible):
    """The artifact of a working copy, in which more lies than git knows."""
    copy = place / "copy"
    for path in tracked():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path, follow_symlinks=False)
    for path in LOCAL:
        write(copy / path, "secret")
    ansible("ansible-galaxy", "collection", "build", copy, "--output-path", place)
    (built,) = place.glob("swissphoto-silo-*.tar.gz")
    shutil.rmtree(copy)
    return built


@pytest.fixture(scope="module")
def installed(place, ansible, tarball):
    # Its dependencies come with Ansible.
    ansible("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", place / "installed", tarball)
    return place / "installed" / INSTALLED


@pytest.fixture(scope="module")
def results(place, ansible, installed):
    """Task to its result, of a play on two tenants that an operator wrote elsewhere."""
    inventory = place / "work" / "inventory"
    write(inventory / "hosts.yml", HOSTS)
    write(inventory / "tenants.yml", {"plugin": "swissphoto.silo.tenants"})
    write(inventory / "group_vars" / "all.yml", LOCALHOST)
    for name, settings in TENANTS.items():
        settings = settings | {"tenant_email": f"{name}@example.ch"}
        write(inventory / "host_vars" / name / "tenant.yml", settings)
    # The policy of the platform comes with the collection; an operator's own inventory counts more.
    (place / "work" / "group_vars").symlink_to(installed / "group_vars")
    variables = {"place": str(place), "outcomes": OUTCOMES}
    tasks = [{"name": name, "run_once": True} | task for name, task in TASKS.items()]
    play = {"hosts": "tenants", "gather_facts": False, "vars": variables, "tasks": tasks}
    write(place / "work" / "play.yml", [play])
    said = ansible("ansible-playbook", "-i", inventory, "play.yml")
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    ok = [event for event in events if event["_event"] == "v2_runner_on_ok"]
    return {event["task"]["name"]: next(iter(event["hosts"].values())) for event in ok}


def test_an_artifact_has_what_git_knows_of_the_collection_and_nothing_local(tarball):
    with tarfile.open(tarball) as archive:
        names = {member.name.rstrip("/") for member in archive.getmembers() if not member.isdir()}
    expected = {path for path in tracked("group_vars", "meta", "playbooks", "plugins", "roles", "server")}
    assert expected - names == set()
    assert not [name for name in names if name in LOCAL or name.partition("/")[0] in NOT_SHIPPED]


def test_the_inventory_plugin_makes_the_groups(results):
    groups = results["Groups"]["msg"]
    assert {name: groups[name] for name in ("tenants", "plan_small", "plan_large", "on_silo1")} == {
        "tenants": ["anna", "hans"],
        "plan_small": ["anna"],
        "plan_large": ["hans"],
        "on_silo1": ["anna", "hans"],
    }


def test_an_action_plugin_reads_tenants_by_the_schema_of_the_installed_role(results):
    scope = results["Scope"]
    assert scope["servers"] == {"silo1": ["anna", "hans"]}
    assert {name: facts["index"] for name, facts in scope["tenants"].items()} == {"anna": 1, "hans": 2}


def test_a_module_and_a_filter_work_by_their_full_names(results, place):
    assert results["Module"]["changed"]
    assert (place / "module" / "file").read_text() == "text\n"
    assert "hans" in results["Filter"]["msg"]


def test_a_precedence_by_which_the_policy_beats_an_inventory_is_refused(place, environment, results):
    """From another repository, where nobody has set it: a plan would change every tenant."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory", "swissphoto.silo.plan"]
    unset = {name: value for name, value in environment.items() if name != "ANSIBLE_PRECEDENCE"}
    done = subprocess.run(command, cwd=place / "work", env=unset, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert f"Add this line to [defaults] in your ansible.cfg: {LINE}" in done.stderr
    assert "PLAY" not in done.stdout


def test_all_that_roles_take_from_beside_them_is_there(installed):
    files = [file for file in (installed / "roles").rglob("*.yml") if file.is_file()]
    beside = {path for file in files for path in re.findall(r"\.\./\.\./([\w./]+)", file.read_text())}
    assert beside
    assert [path for path in sorted(beside) if not (installed / path).exists()] == []


def test_a_playbook_of_the_collection_is_found_by_its_full_name(ansible, results):
    assert "silo:scope" in ansible("ansible-playbook", "-i", "inventory", "--list-tasks", "swissphoto.silo.plan")
