"""CONTRIBUTING says which files a change touches: two such changes, made in a copy of the product and used there.

Others are proved beside their subjects: a variable in tests/unit/src/silo/tenant/test_environment.py, a container in
tests/unit/src/silo/tenant/test_services.py, a check in tests/unit/src/silo/diagnostics/test_new_check.py.
"""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .world import ROOT

PRODUCT = ("ansible.cfg", "collections", "galaxy.yml", "group_vars", "meta", "playbooks", "plugins", "roles", "src")
# A NAS of this file system is on every Linux.
MEMORY = "/dev/shm"


class Copy:
    """A copy of the product, in which a developer makes a change."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        for name in PRODUCT:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, root / name)

    def write(self, path, text):
        assert not (self.root / path).exists()
        (self.root / path).write_text(text)

    def edit(self, path, before, after):
        text = (self.root / path).read_text()
        assert text.count(before) == 1
        (self.root / path).write_text(text.replace(before, after))

    def touched(self):
        """The files of the product that are not as they were, found by comparison."""
        here = (path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        names = (path.relative_to(self.root) for path in here)
        return sorted(str(name) for name in names if not _is_same(self.root / name, ROOT / name))

    def run(self, *command, **variables):
        places = {"PYTHONPATH": str(self.root / "src"), "ANSIBLE_CONFIG": str(self.root / "ansible.cfg")}
        places |= {"ANSIBLE_COLLECTIONS_PATH": str(self.root / "collections"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.root,
            env={**os.environ, **places, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _is_same(one, other):
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path / "product")


NOOP = '''"""Limits nothing, and reports every directory as limited."""

from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Backend, State
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.directory_tree import remove_tree


class Noop(Backend):
    name = "tmpfs"
    counts_by_id = False

    @classmethod
    def grants(cls, found, limit):
        return True

    def check(self):
        pass

    def read(self):
        return self.survey({name: State() for name in self.names()}, {})

    def apply(self, tenant, survey):
        Path(self.root, tenant.name).mkdir(exist_ok=True)

    def remove(self, place, number):
        remove_tree(self.root / place)
'''
# Sets a tenant's quota by the module's own code, and has silo verify it.
USE = """
import json, sys
from silo.repository import make_collection_importable
make_collection_importable()
from silo.diagnostics.quota import compare_limit
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import open_backend
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy
from ansible_collections.swissphoto.silo.plugins.modules.storage_quota import ARGUMENTS

root, tenant = sys.argv[1], {"name": "hans", "id": 1, "uid": 200001, "gid": 200001, "limit": "1G"}
mounts = f"56 73 0:56 / {root} rw shared:1 - tmpfs tmpfs rw"
backend = open_backend(root, "sentinel", "tmpfs", None, mounts)
(outcome,) = converge(backend, [tenant], QuotaPolicy(), False)
found = {"problem": "", "limit": 2**30, "id": None}
checked = compare_limit("hans", {"quota_bytes": 2**30, "index": 1}, backend.name, found)
print(json.dumps([outcome.error, outcome.changed, checked.ok, ARGUMENTS["backend"]["choices"]]))
"""
ROLE = f"""
- hosts: localhost
  gather_facts: true
  tasks:
    - ansible.builtin.include_role: {{name: swissphoto.silo.nas}}
      vars:
        nas_root: {MEMORY}
        nas_filesystem: tmpfs
"""


@pytest.fixture
def back_end(copy):
    quota = "plugins/module_utils/quota"
    package = "ansible_collections.swissphoto.silo.plugins.module_utils.quota"
    copy.write(f"{quota}/noop.py", NOOP)
    imported = f"from {package}.xfs import Xfs\n"
    copy.edit(f"{quota}/detect.py", imported, f"from {package}.noop import Noop\n{imported}")
    copy.edit(
        f"{quota}/detect.py", "(Btrfs, Manual, Unlimited, Xfs, Zfs)", "(Btrfs, Manual, Noop, Unlimited, Xfs, Zfs)"
    )
    copy.edit("roles/filesystem/vars/main.yml", "\n  zfs: {", '\n  tmpfs: {tools: [], kernel: "0"}\n  zfs: {')
    return copy


def test_a_quota_back_end_touches_three_files(back_end):
    assert back_end.touched() == [
        "plugins/module_utils/quota/detect.py",
        "plugins/module_utils/quota/noop.py",
        "roles/filesystem/vars/main.yml",
    ]


def test_a_new_quota_back_end_is_set_verified_and_offered_by_the_modules(back_end, tmp_path):
    root = tmp_path / "instances"
    root.mkdir()
    (root / "sentinel").touch()
    error, changed, verified, choices = json.loads(back_end.run("-c", USE, root))
    assert (error, changed, verified) == ("", True, True)
    assert choices == ["auto", "btrfs", "manual", "none", "tmpfs", "xfs", "zfs"]
    assert (root / "hans" / "uploads").is_dir()


def test_a_new_quota_back_end_is_documented(back_end):
    documented = json.loads(
        back_end.run(
            "-m", "ansible.cli.doc", "--json", "swissphoto.silo.storage_quota", "swissphoto.silo.storage_trash"
        )
    )
    assert {tuple(one["doc"]["options"]["backend"]["choices"]) for one in documented.values()} == {
        ("auto", "btrfs", "manual", "none", "tmpfs", "xfs", "zfs")
    }


@pytest.mark.long("two runs of a role")
def test_the_role_of_a_nas_takes_the_file_system_of_a_new_quota_back_end(back_end, tmp_path):
    playbook = tmp_path / "nas.yml"
    playbook.write_text(ROLE)
    password = tmp_path / "vault-password"
    password.write_text("secret")
    command = ("-m", "ansible.cli.playbook", "-i", "localhost,", "-c", "local", "--check", playbook)
    said = back_end.run(*command, ANSIBLE_VAULT_PASSWORD_FILE=str(password))
    assert "failed=0" in said
    assert not Path(MEMORY, ".silo-nas").exists()


SUBCOMMAND = '''"""silo pools: the size of each NAS."""

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.ansible.contract import ReadTag, TaskId
from silo.ansible.results import ask
from silo.cli import output
from silo.cli.context import Context


@click.command("pools", cls=output.Command)
@output.json_option("An object: NAS to its size in bytes.")
@click.pass_obj
def pools(context: Context, as_json: bool) -> None:
    """Show the size of each NAS."""
    read = ask(context.inventory, ReadTag.STORAGE).results[TaskId.QUOTAS]
    found = {nas: result["pool"]["size"] for nas, result in read.items()}
    if as_json:
        output.as_json(found)
        return
    table = output.table("NAS", "size")
    for nas, size in found.items():
        table.add_row(nas, rough(size))
    output.show(table)
'''


@pytest.fixture
def subcommand(copy):
    copy.write("src/silo/cli/pools.py", SUBCOMMAND)
    row = '        "capacity": ("capacity", "capacity"),\n'
    copy.edit("src/silo/cli/__init__.py", row, f'{row}        "pools": ("pools", "pools"),\n')
    return copy


def test_a_subcommand_that_reads_machines_touches_two_files(subcommand, world):
    of_the_world = {"ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_VAULT_PASSWORD_FILE"}
    variables = {name: value for name, value in world.environment.items() if name in of_the_world}
    said = subcommand.run("-m", "silo", "-i", world.inventory, "pools", "--json", **variables)
    assert json.loads(said) == {"nas1": 4096 * 2**30, "nas2": 4096 * 2**30}
    assert subcommand.touched() == ["src/silo/cli/__init__.py", "src/silo/cli/pools.py"]


def test_a_new_subcommand_is_in_the_help(subcommand):
    assert "Show the size of each NAS." in subcommand.run("-m", "silo", "--help")


def test_what_is_touched_is_found_by_comparison(copy):
    assert copy.touched() == []
    copy.edit("ansible.cfg", "forks = 10", "forks = 11")
    assert copy.touched() == ["ansible.cfg"]
