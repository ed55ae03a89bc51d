"""The timers of a controller are for the owner of the inventory; tried in check mode, in which nothing is written."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from .world import ROOT

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def controller(tmp_path):
    """Runs the playbook with an inventory that belongs to who runs the tests."""
    (tmp_path / "my inventory").mkdir()

    def run(**facts):
        given = {
            "ansible_python_interpreter": sys.executable,
            "controller_inventory": str(tmp_path / "my inventory"),
            "controller_vault_password_file": "/root/vault 100%",
            "controller_backup_folder": "/mnt/a b",
            "controller_backup_files": ["/root/c d"],
            **facts,
        }
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", "localhost,", "-c", "local", str(ROOT / "playbooks" / "controller.yml")]
        command += ["--check", "--diff", "-e", json.dumps(given)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


@pytest.mark.parametrize("role", ["controller", "billing"])
def test_another_user_than_the_owner_is_refused_with_the_line_to_add(controller, tmp_path, role):
    facts = {"controller_user": ME, "billing_enabled": True, "billing_inventory": str(tmp_path / "my inventory")}
    code, said = controller(**{**facts, "billing_user": ME, f"{role}_user": "nobody-here"})
    assert code == 2
    for part in (
        f"The inventory {tmp_path}/my inventory belongs to {ME}, and {role}_user is nobody-here",
        f"add the line '{role}_user: {ME}' to group_vars/all/policy.yml",
    ):
        assert part in said, said


@pytest.mark.parametrize(
    ("field", "path"), [("billing_directory", "/opt/my silo"), ("billing_stripe_key_file", "/root/100%")]
)
def test_a_path_that_a_unit_of_billing_reads_otherwise_is_refused(controller, tmp_path, field, path):
    (tmp_path / "inventory").mkdir()
    facts = {"billing_enabled": True, "billing_inventory": str(tmp_path / "inventory"), "billing_user": ME, field: path}
    code, said = controller(controller_user=ME, **facts)
    assert code == 2
    assert f'{field} is "{path}"; for the services of billing it must be an absolute path' in said, said


@pytest.mark.parametrize("facts", [{"controller_user": ME}, {"controller_user": os.getuid()}])
def test_the_owner_gets_timers_whose_paths_are_words(controller, facts):
    code, said = controller(**facts)
    assert code == 0, said
    assert '--no-commit controller backup "/mnt/a b" --keep 30 --also "/root/c d"' in said
    assert 'Environment="SILO_VAULT_PASSWORD_FILE=/root/vault 100%%"' in said
    assert 'my inventory" purge --yes' in said


def test_an_inventory_that_is_not_there_yet_is_nobodys(controller, tmp_path):
    assert controller(controller_user="nobody", controller_inventory=str(tmp_path / "later"))[0] == 0
