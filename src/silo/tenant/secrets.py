# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's secrets: created once, stored in the tenant's vault.yml, which ansible-vault encrypts as a whole."""

from __future__ import annotations

import secrets
import typing as t
from pathlib import Path

import yaml
from ansible.parsing.vault import VaultLib
from ansible_collections.swissphoto.silo.plugins.module_utils.common import files

from silo.tenant.schema import TenantError

NAMES = ("database_password", "cache_password", "admin_password")


def make() -> dict[str, str]:
    """Return new secrets of letters and digits, which is all that Immich's database accepts, about 190 bits each."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return {name: "".join(secrets.choice(alphabet) for _character in range(32)) for name in NAMES}


def vault_file(tenant_file: str) -> Path:
    """Return the path of the vault.yml beside a tenant.yml."""
    return Path(tenant_file).with_name("vault.yml")


def write(path: Path, values: t.Mapping[str, str], vault: VaultLib) -> None:
    """Write `values` encrypted to `path`, mode 0600, atomically; never replace an existing file.

    Raises TenantError without a vault password, or if the file was created meanwhile.
    """
    if not vault.secrets:
        hint = "name the file of the vault password in SILO_VAULT_PASSWORD_FILE"
        raise TenantError([f"{path}: it cannot be written without a vault password; {hint}"])
    text = yaml.safe_dump({"tenant_secrets": dict(values)}, explicit_start=True)
    try:
        files.create(path, vault.encrypt(text), 0o600)
    except FileExistsError:
        raise TenantError([f"{path}: another run has just created it; run again"]) from None
