"""The timers of a controller, for which the lab's server stands with a silo that writes down how it was called.

And what is done when a controller is lost.
"""

import os

import pytest

from ..operator import Operator, Silo

HOME = "/opt/controller"
FACTS = {
    "controller": "silo1",
    "controller_directory": HOME,
    "controller_inventory": f"{HOME}/inventory",
    "controller_vault_password_file": f"{HOME}/vault-password",
    "controller_user": "nobody",
}
UNITS = [f"silo-{name}.{kind}" for name in ("letters", "purge", "alerts") for kind in ("timer", "service")]
BACKUP = ["silo-backup.timer", "silo-backup.service"]
SILO = '#!/bin/sh\necho "$(id -un) $SILO_VAULT_PASSWORD_FILE $*" >>/run/called/by\n'


@pytest.fixture
def controller(lab, operator):
    lab.shell(f"mkdir -p {HOME}/.venv/bin; install -d -o nobody /run/called")
    lab.run("sh", "-c", f"cat >{HOME}/.venv/bin/silo; chmod 755 {HOME}/.venv/bin/silo", text=SILO)
    arguments = [argument for key, value in FACTS.items() for argument in ("-e", f"{key}={value}")]
    yield lambda *more: operator.run("controller.yml", *arguments, *more)
    for units in (UNITS, BACKUP):
        # Where one of them is missing, systemd does nothing of it.
        lab.try_run("systemctl", "disable", "--now", *units)
    units = " ".join([*UNITS, *BACKUP])
    lab.shell(f"cd /etc/systemd/system; rm -f {units}; systemctl daemon-reload; rm -r {HOME} /run/called")


def test_the_timers_run_silo_as_their_user_with_the_vault(lab, controller):
    check = controller("--check", "--diff")
    assert check.changed["silo1"] == 2
    assert lab.try_run("test", "-e", "/etc/systemd/system/silo-purge.timer").returncode
    assert controller().changed["silo1"] == 3
    assert controller().changed["silo1"] == 0
    for name in ("letters", "purge", "alerts"):
        assert lab.run("systemctl", "is-active", f"silo-{name}.timer").strip() == "active"
        assert lab.run("systemctl", "is-enabled", f"silo-{name}.timer").strip() == "enabled"
        lab.run("systemctl", "start", f"silo-{name}.service")
    lab.run("systemd-analyze", "verify", *[f"/etc/systemd/system/{unit}" for unit in UNITS])
    as_called = f"nobody {HOME}/vault-password -i {HOME}/inventory"
    # The timer that looks often has called it too, as the server booted long ago.
    called = {f"{as_called} {command}" for command in ("letters", "purge --yes", "alerts")}
    assert set(lab.shell("cat /run/called/by").splitlines()) == called


@pytest.mark.slow("two more runs of the role; the walk of a lost controller makes a backup and restores it")
def test_the_backup_runs_where_it_has_a_folder(lab, controller):
    there = "-e", f"controller_backup_folder={HOME}/backups", "-e", f'{{"controller_backup_files": ["{HOME}/key"]}}'
    controller()
    assert controller(*there).changed["silo1"] == 3
    assert lab.run("systemctl", "is-active", "silo-backup.timer").strip() == "active"
    lab.run("systemctl", "start", "silo-backup.service")
    lab.run("systemd-analyze", "verify", *[f"/etc/systemd/system/{unit}" for unit in BACKUP])
    command = f"--no-commit controller backup {HOME}/backups --keep 30 --also {HOME}/key"
    assert f"root {HOME}/vault-password -i {HOME}/inventory {command}" in lab.shell("cat /run/called/by").splitlines()
    assert controller(*there).changed["silo1"] == 0
    # Without the folder, it ends.
    assert controller().changed["silo1"] == 2
    for unit in BACKUP:
        assert lab.try_run("test", "-e", f"/etc/systemd/system/{unit}").returncode
    assert controller().changed["silo1"] == 0


def differences(silo, *names):
    """The last words of each line of a plan's table: what differs."""
    table = silo.json("plan", *names)["verdict"]
    return [line.split()[-1] for line in table[1:]]


def test_a_vault_that_is_lost_is_made_again_and_nothing_differs(operator, silo):
    vault, kept = operator.folder("hans") / "vault.yml", operator.secrets("hans")
    content = vault.read_bytes()
    vault.unlink()
    try:
        silo.run("controller", "rebuild-vault", "hans", "--yes")
        found = operator.secrets("hans")
        assert {**found, "admin_password": ""} == {**kept, "admin_password": ""}
        assert differences(silo, "hans") == ["nothing"]
        refused = silo.try_run("controller", "rebuild-vault", "hans", "--yes")
        assert (refused.code, "nothing to make again" in refused.output) == (1, True)
    finally:
        vault.write_bytes(content)
        vault.chmod(0o600)


def test_a_controller_that_is_lost_is_restored_and_nothing_differs(operator, silo, tmp_path):
    """The walk of docs/operate/runbooks/lost-controller.md, next to the controller that is there."""
    own = [operator.inventory / ".silo" / name for name in ("backup-recipients", "backup.json")]
    key, backup, place = tmp_path / "key", tmp_path / "backup.age", tmp_path / "new"
    try:
        silo.run("controller", "key", str(key))
        said = silo.run("controller", "backup", str(backup))
        assert "is whole" in said
        assert "the last backup of this controller is 0 h old" in silo.try_run("check").output
        told = silo.run("controller", "restore", str(backup), "--key", str(key), "--to", str(place), "--yes")
    finally:
        for path in own:
            path.unlink(missing_ok=True)
    assert f"export SILO_VAULT_PASSWORD_FILE={place}/root{os.environ['SILO_VAULT_PASSWORD_FILE']}" in told
    restored = Silo(place / "inventory")
    assert set(differences(restored)) == {"nothing"}
    names = {one["name"] for one in restored.json("list")["tenants"]}
    assert names >= {"hans", "maria", "peter"}
    assert Operator(place / "inventory", operator.vault_password).secrets("hans") == operator.secrets("hans")
