"""Whatever is done with the demo's inventory, a clone of this repository stays as git knows it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long("makes clones, and edits in them by the real commands")
# Nobody answers there as this lab, so that a run of Ansible ends after the edit.
LAB = {
    **dict.fromkeys(("name", "container", "registry", "resolver", "ssh_key", "known_hosts"), "/dev/null"),
    **dict.fromkeys(("ca_file", "lab_ca_file", "acme_directory"), "/dev/null"),
    "address": "127.0.0.1",
    "domain": "swissphoto.test",
    "images": {
        name: f"r/{name}:1"
        for name in ("immich_server", "immich_machine_learning", "postgres", "valkey", "traefik", "pages")
    },
}


class Clone:
    """A clone of what git tracks here, with the demo's vault password, and without a lab."""

    def __init__(self, path):
        self.path, self.inventory = path, path / ".lab" / "inventory"

    @classmethod
    def made(cls, path):
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, files.decode().split("\0")):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
        clone = cls(path)
        clone.git("init", "--quiet")
        clone.git("add", "--all")
        clone.git("commit", "--quiet", "--message", "The product")
        (path / ".lab").mkdir()
        (path / ".lab" / "vault-password").write_text("secret\n")
        return clone

    def run(self, *command, **environment):
        names = ("SILO_INVENTORY", "ANSIBLE_INVENTORY", "SILO_LAB", "SILO_LAB_FILE", "SILO_VAULT_PASSWORD_FILE")
        inherited = {key: value for key, value in os.environ.items() if key not in names}
        settings = {
            "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.path / "src"),
        }
        return subprocess.run(
            command,
            cwd=self.path,
            env=inherited | settings | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments, folder="."):
        who = ("-c", "user.name=x", "-c", "user.email=x@example.ch")
        done = self.run("git", "-C", str(self.path / folder), *who, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(self):
        return self.git("status", "--porcelain", "--untracked-files=all"), self.git("log", "--format=%H")

    def tool(self, *arguments, **environment):
        done = self.run("tools/inventory", *arguments, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def history(self):
        return self.git("log", "--format=%s", folder=self.inventory).splitlines()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A clone that nobody changes: copying it is cheaper than what git does to make one."""
    return Clone.made(tmp_path_factory.mktemp("original") / "clone")


@pytest.fixture
def clone(original, tmp_path):
    copy = Clone(tmp_path / "clone")
    shutil.copytree(original.path, copy.path, symlinks=True)
    assert copy.state()[0] == ""
    return copy


@pytest.fixture
def demo(clone):
    clone.tool("make")
    (clone.path / ".lab" / "lab.json").write_text(json.dumps(LAB))
    return clone


def tenants(inventory):
    return sorted(file.parent.name for file in inventory.glob("host_vars/*/tenant.yml"))


def test_edits_are_commits_of_the_demos_inventory_and_not_of_the_clone(demo, tmp_path):
    before = demo.state()
    stopped = demo.run("silo", "stop", "hans", "--yes")
    # The edit is made, and the machines are not reached.
    assert stopped.returncode == 4, stopped.stderr
    assert "Note:" not in stopped.stderr
    arguments = ("-e", "tenant=zora", "-e", "quota=2G", "-e", "email=zora@example.ch")
    created = demo.run("ansible-playbook", "playbooks/tenant-create.yml", *arguments)
    assert "UNREACHABLE" in created.stdout + created.stderr
    assert demo.history() == ["Create tenant zora (2G)", "Stop tenant hans", "Copy the demo's inventory"]
    assert demo.state() == before
    demo.tool("copy", str(tmp_path / "tests"))
    assert tenants(demo.inventory) == ["hans", "maria", "peter", "zora"]
    assert tenants(tmp_path / "tests") == ["hans", "maria", "peter"]
    assert "tenant_state" not in (tmp_path / "tests" / "host_vars" / "hans" / "tenant.yml").read_text()


def test_an_edit_of_the_template_itself_is_no_commit(demo):
    log = demo.state()[1]
    stopped = demo.run(
        "silo", "-i", "inventory/demo", "stop", "hans", "--yes", SILO_LAB_FILE=str(demo.path / ".lab" / "lab.json")
    )
    assert stopped.returncode == 4, stopped.stderr
    (note,) = [line for line in stopped.stderr.splitlines() if line.startswith("Note:")]
    assert "inventory/demo is in a clone of SwissPhoto Silo, where edits are not committed" in note
    assert demo.state() == (" M inventory/demo/host_vars/hans/tenant.yml\n", log)
    created = demo.run(
        *("ansible-playbook", "-i", "inventory/demo", "playbooks/tenant-stop.yml", "-e", "tenant=maria"),
        SILO_LAB_FILE=str(demo.path / ".lab" / "lab.json"),
    )
    assert "where edits are not committed" in " ".join((created.stdout + created.stderr).split())
    assert demo.state()[1] == log


EDITS = [
    ("set", "hans", "--language", "fr", "--yes"),
    ("extend", "hans", "--until", "2099-01-31", "--reason", "a test", "--yes"),
    ("create", "zora", "1", "zora@example.ch", "--no-check", "--yes"),
    ("delete", "peter", "--confirm", "peter"),
]


def test_no_command_commits_into_the_clone(demo):
    """Whatever edits an inventory that is no repository of its own leaves the clone's history and index alone."""
    log, lab = demo.state()[1], str(demo.path / ".lab" / "lab.json")
    for edit in EDITS:
        done = demo.run("silo", "-i", "inventory/demo", *edit, SILO_LAB_FILE=lab)
        # Made, or refused because a machine does not answer.
        assert done.returncode in (0, 1, 4), (edit, done.stderr)
        assert demo.state()[1] == log, edit
        assert demo.git("diff", "--cached", "--name-only") == "", edit
    refused = demo.run("silo", "init", "inventory/production", "--domain", "a.ch")
    assert (refused.returncode, demo.state()[1]) == (2, log)
    assert "it is in a clone of SwissPhoto Silo" in refused.stderr


def test_git_is_called_by_one_module_alone():
    """The one that knows a clone of this software when it sees one."""
    calls = re.compile(r"""["']git["']|\bgit commit\b""")
    places = [path for folder in ("src", "plugins", "server") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in places if calls.search(path.read_text(encoding="utf-8"))}
    assert found == {"src/silo/inventory/history.py"}


@pytest.mark.parametrize(
    "command", [("silo", "list"), ("silo", "stop", "hans", "--yes"), ("ansible-playbook", "playbooks/apply.yml")]
)
def test_before_the_demo_is_made_one_sentence_says_what_to_do(clone, command):
    done = clone.run(*command)
    assert done.returncode in (1, 2)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert f"{clone.inventory}. `make demo` creates that of the demo; name your own with -i." in line


def test_an_inventory_that_is_there_is_no_affair_of_that_sentence(demo):
    done = demo.run("ansible", "-i", "a,b", "all", "--list-hosts")
    assert (done.returncode, done.stderr) == (0, "")
    assert "@tenants:" in demo.run("ansible-inventory", "--graph").stdout


def test_the_demos_inventory_is_made_once_and_removed_with_its_lab(demo):
    file = demo.inventory / "host_vars" / "hans" / "tenant.yml"
    file.write_text(file.read_text() + "tenant_state: stopped\n")
    (file.parent / "vault.yml").write_text("secret\n")
    assert demo.tool("make") == ""
    assert "stopped" in file.read_text()
    assert demo.git("status", "--porcelain", folder=demo.inventory) == " M host_vars/hans/tenant.yml\n"
    assert demo.tool("remove") == "demo: removed the inventory .lab/inventory\n"
    assert demo.tool("remove") == ""
    assert demo.tool("make") == "demo: made the inventory .lab/inventory\n"
    assert "stopped" not in file.read_text()
    assert not (file.parent / "vault.yml").exists()


def test_a_template_that_has_changed_is_told_and_the_copy_stays(demo):
    template = demo.path / "inventory" / "demo" / "hosts.yml"
    template.write_text(template.read_text() + "# newer\n")
    demo.run("silo", "stop", "hans", "--yes")
    head = demo.history()
    told = demo.tool("make")
    assert "inventory/demo has changed since .lab/inventory was copied from it" in told
    assert "`make lab-down demo` begins anew" in told
    assert demo.history() == head
    assert "newer" not in (demo.inventory / "hosts.yml").read_text()


def test_each_lab_has_an_inventory_of_its_own(demo):
    other = demo.path / ".lab" / "other" / "inventory"
    assert demo.tool("where", SILO_LAB="other") == f"{other}\n"
    demo.tool("make", SILO_LAB="other")
    assert tenants(other) == ["hans", "maria", "peter"]
    demo.tool("remove", SILO_LAB="other")
    assert (other.exists(), demo.inventory.exists()) == (False, True)


def test_an_archive_without_git_is_copied_as_it_is(clone, tmp_path):
    shutil.rmtree(clone.path / ".git")
    clone.tool("make")
    assert tenants(clone.inventory) == ["hans", "maria", "peter"]


def test_an_operators_inventory_in_the_clone_is_none_of_its_files(clone):
    shutil.copytree(clone.path / "inventory" / "example", clone.path / "inventory" / "production")
    assert clone.state()[0] == ""
