"""Prints, as JSON, what Ansible makes of an inventory; a process of its own, as Ansible keeps much of what it read.

Each line of standard input is an object: `inventory` (path), `tenants` (name to the texts of its files in Ansible's
order, which count in place of what is on disk, or null for one that is gone), `policy` (variables of servers and NAS).
"""

from __future__ import annotations

import json
import sys
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible import constants
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader
from ansible.template import trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

init_plugin_loader()  # It finds the collection, of which one part is needed here as well.
from silo.repository import root  # noqa: E402
from silo.tenant.hostvars import Merged  # noqa: E402
from silo.tenant.load import PROBLEMS  # noqa: E402

Secrets = t.Any


class Loader(DataLoader):
    """Reads the texts given in place of the files on disk; leaves vault.yml closed, as no setting stands in it."""

    def __init__(self, host_vars: Path, texts: Mapping[str, str]) -> None:
        """Texts are by path."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.set_basedir(str(root() / "playbooks"))
        self._host_vars = host_vars
        self._texts = texts

    def get_text_file_contents(self, file_name: str, encoding: str | None = None) -> str:
        """Return the text of a file."""
        path = Path(self.path_dwim(file_name))
        if path.name == "vault.yml" and path.parent.parent == self._host_vars:
            return "{}"
        text = self._texts.get(str(path))
        return super().get_text_file_contents(file_name, encoding) if text is None else text


def _vault_secrets() -> Secrets:
    identities = constants.config.get_config_value("DEFAULT_VAULT_IDENTITY_LIST")
    try:
        return CLI.setup_vault_secrets(DataLoader(), vault_ids=identities, auto_prompt=False)
    except AnsibleError:
        return None  # Where something has to be decrypted, Ansible says so itself.


def _replace(inventory: InventoryManager, loader: Loader, file: Path, texts: list[str] | None) -> None:
    """Make the inventory what it is with `texts`; the plugin itself says to which groups a tenant belongs."""
    data, name = inventory._inventory, file.parent.name
    if name in data.hosts:
        data.remove_host(data.hosts[name])
    if texts is None:
        return
    layers = [loader.load(trust_as_template(text), file_name=str(file)) or {} for text in texts]
    plugin = inventory_loader.get("swissphoto.silo.tenants")
    plugin.inventory = data
    data.current_source = str(file.parents[2] / "tenants.yml")
    plugin._add_tenant(file, layers[-1])
    if not file.exists():  # Ansible finds no folder, so its settings come with the host.
        for key, value in (item for layer in layers for item in layer.items()):
            data.set_variable(name, key, value)


def _values(merged: Merged, host: str, wanted: t.Callable[[str], bool]) -> tuple[dict[str, t.Any], list[str]]:
    values, problems = {}, []
    found = merged[host]
    for key in filter(wanted, sorted(found)):
        try:
            values[key] = json.loads(json.dumps(found[key]))
        except (AnsibleError, TypeError, ValueError) as error:
            problems.append(f"{host}: {key} cannot be worked out: {' '.join(str(error).split())}")
    return values, problems


def merge(request: Mapping[str, t.Any], secrets: Secrets) -> dict[str, t.Any]:
    """Return `groups` (name to hosts), `hosts` and `tenants` (name to values), `problems` (name to sentences)."""
    host_vars = Path(request["inventory"]) / "host_vars"
    files = {name: host_vars / name / "tenant.yml" for name in request["tenants"]}
    texts = {str(file): request["tenants"][name][-1] for name, file in files.items() if request["tenants"][name]}
    loader = Loader(host_vars, texts)
    loader.set_vault_secrets(secrets)
    inventory = InventoryManager(loader=loader, sources=[request["inventory"]])
    for name, file in files.items():
        _replace(inventory, loader, file, request["tenants"][name])
    inventory._inventory.reconcile_inventory()
    hostvars = HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)
    groups = {name: [host.name for host in group.get_hosts()] for name, group in inventory.groups.items()}
    # Of a hundred tenants most settings are the same templates.
    filled = Merged(hostvars)
    names = groups.get("tenants", [])
    machines = {*groups.get("servers", []), *groups.get("nas", [])}
    policy = set(request["policy"])
    found = {name: _values(filled, name, lambda key: key.startswith("tenant_")) for name in names}
    found |= {name: _values(filled, name, policy.__contains__) for name in machines - set(names)}
    # What is wrong in its files, which were not read.
    for name in names:
        if sentences := filled[name].get(PROBLEMS):
            found[name] = (found[name][0], [str(sentence) for sentence in sentences])
    return {
        "groups": groups,
        "tenants": {name: found[name][0] for name in names},
        "hosts": {name: found[name][0] for name in sorted(machines - set(names))},
        "problems": {name: problems for name, (_values_of, problems) in found.items() if problems},
    }


def main() -> None:
    """Answer each line of standard input by one line; what Ansible refuses is an object with `error`."""
    secrets = _vault_secrets()
    for line in sys.stdin:
        try:
            answer = merge(json.loads(line), secrets)
        except AnsibleError as error:
            answer = {"error": " ".join(str(error).split())}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
