"""Check the tenants' secrets on this machine: the vault password decrypts them, and no other user can read them."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import process
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import PREFLIGHT

from silo.diagnostics import Finding, State
from silo.diagnostics.engine import Controller, check
from silo.repository import root

ID = "vault"
SECONDS = 60
BEGIN = b"$ANSIBLE_VAULT;"
PASSWORD = "name the file of the vault password in SILO_VAULT_PASSWORD_FILE"  # noqa: S105 - not a password


def try_open(paths: Sequence[Path]) -> tuple[dict[str, str], str]:
    """Return path to the reason why it cannot be decrypted, and the reason why none could be tried."""
    result = process.run(
        [sys.executable, "-P", str(Path(__file__).with_name("_vault.py"))],
        seconds=SECONDS,
        environment={**os.environ, "ANSIBLE_CONFIG": str(root() / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        text=json.dumps([str(path) for path in paths]),
        directory=root(),
    )
    if result.stopped:
        return {}, f"the program that prints it {result.stopped}"
    try:
        answer = json.loads(result.out)
    except ValueError:
        return {}, " ".join(result.err.split()[-40:])
    return answer.get("problems", {}), answer.get("error", "")


def _plain(tenant: str, path: Path) -> Finding:
    others = bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    state: State = "wrong" if others else "warning"
    who = "in plain text, and others on this machine can read it" if others else "in plain text"
    return Finding(ID, tenant, state, f"{path} is {who}", f"chmod 600 {path}; ansible-vault encrypt {path}")


def check_vaults(inventory: Path) -> list[Finding]:
    """Try the vault.yml of every tenant below `inventory`, also of deleted ones; one finding if all are right."""
    sealed: dict[str, Path] = {}
    findings = []
    # A folder has the name of its tenant. A tenant without a vault.yml gets one with its first apply.
    for path in sorted([*inventory.glob("host_vars/*/vault.yml"), *inventory.glob("retired/*/vault.yml")]):
        try:
            with path.open("rb") as file:
                is_sealed = file.read(len(BEGIN)) == BEGIN
            if is_sealed:
                sealed[path.parent.name] = path
            else:
                findings.append(_plain(path.parent.name, path))
        except OSError as error:
            text = f"{path} cannot be read: {error.strerror}"
            findings.append(Finding(ID, path.parent.name, "wrong", text, f"chmod 600 {path}, as its owner"))
    problems, reason = try_open(list(sealed.values()))
    if reason:
        return [*findings, Finding(ID, "controller", "wrong", f"there is no vault password: {reason}", PASSWORD)]
    for tenant, path in sealed.items():
        if why := problems.get(str(path)):
            text = f"the vault password cannot decrypt {path}: {why}"
            fix = f"{PASSWORD} with which it was encrypted, or restore {path} from your backup"
            findings.append(Finding(ID, tenant, "wrong", text, fix))
    opened = len(sealed) - len(problems)
    if opened or not findings:
        files = "1 file" if opened == 1 else f"{opened} files"
        findings.insert(0, Finding(ID, "controller", "ok", f"the vault password decrypts {files}"))
    return findings


@check("vault", scope="controller", selections=PREFLIGHT)
def vaults(controller: Controller) -> list[Finding]:
    """Check the vaults of an inventory."""
    return check_vaults(controller.inventory)
