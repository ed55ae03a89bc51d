"""The decrypted vaults of an inventory: for the tests, and to keep their secrets out of reports."""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml
from ansible.parsing.vault import VaultLib, VaultSecret


class Vaults:
    """All vaults below `inventory`, including those of deleted tenants."""

    def __init__(self, inventory: Path, password: Path) -> None:
        self.inventory, self.password = inventory, password
        self._opened: dict[bytes, dict[str, str]] = {}

    def open(self, path: Path) -> dict[str, str]:
        """Return the secrets in a vault. A file is decrypted again only after it has changed."""
        sealed = path.read_bytes()
        if sealed not in self._opened:
            secret = VaultSecret(self.password.read_bytes().strip())
            text = VaultLib([("default", secret)]).decrypt(sealed)
            self._opened[sealed] = yaml.safe_load(text)["tenant_secrets"]
        return self._opened[sealed]

    def secrets(self) -> dict[str, str]:
        """Return description to value of all secrets that can be decrypted now."""
        found = {}
        with contextlib.suppress(OSError):
            found["the vault password"] = self.password.read_text().strip()
        for path in self.inventory.rglob("vault.yml"):
            # A test may have broken this vault in any way, or a run may be writing it.
            with contextlib.suppress(Exception):
                found |= {f"{name} of {path.parent.name}": str(value) for name, value in self.open(path).items()}
        return found
