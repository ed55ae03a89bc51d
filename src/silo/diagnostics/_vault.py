"""Prints, as JSON, the files that the vault password cannot decrypt; a separate process, with Ansible's settings.

Standard input is a JSON list of paths. The answer has `problems` (path to reason), or `error` without a password.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible import constants
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib


def problems(paths: list[str]) -> dict[str, str]:
    """Return path to the reason why it cannot be decrypted; raises AnsibleError without a password."""
    identities = constants.config.get_config_value("DEFAULT_VAULT_IDENTITY_LIST")
    vault = VaultLib(CLI.setup_vault_secrets(DataLoader(), vault_ids=identities, auto_prompt=False))
    found = {}
    for path in paths:
        try:
            vault.decrypt(Path(path).read_bytes())
        except (AnsibleError, OSError, ValueError) as error:
            found[path] = " ".join(str(error).split())
    return found


def main() -> None:
    """Print the answer, one line."""
    try:
        answer: dict[str, object] = {"problems": problems(json.load(sys.stdin))}
    except AnsibleError as error:
        answer = {"error": " ".join(str(error).split())}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
