# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of diagnostics_info: adds the state that the inventory expects of a server and its tenants."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.tenant.expectations import expected_state, ports, seccomp
    from silo.tenant.load import read_all

# The expected values of a server: the name by which a check reads the value, and the server's variable.
EXPECTED: Mapping[str, str] = {
    "address_pool": "tenant_address_pool",
    "bridge_connections": "host_firewall_bridge_connections",
    "connections": "host_firewall_connections",
    "firewall_input_enabled": "host_firewall_input_enabled",
    "header_bytes": "traefik_header_bytes",
    "journal_size": "host_journal_size",
    "learning_bridge": "machine_learning_bridge",
    "learning_directory": "machine_learning_directory",
    "learning_gate_port": "machine_learning_gate_port",
    "learning_gate_uid": "machine_learning_gate_uid",
    "learning_models": "machine_learning_models",
    "limited_ports": "host_firewall_limited_ports",
    "machine_learning_port": "silo_machine_learning_port",
    "metrics_port": "monitoring_traefik_port",
    "requests_of_route": "traefik_requests_of_route",
    "requests_of_source": "traefik_requests_of_source",
    "root_ports": "host_firewall_root_ports",
    "routes": "traefik_routes_directory",
    "sentinel": "recovery_sentinel",
    "source_connections": "host_firewall_source_connections",
    "tenant_interfaces": "host_firewall_tenant_interfaces",
    "ssh_keys_only": "host_ssh_keys_only",
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Adds `expected` to the task's options; `server` names the server if a tenant is the host of the task."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the module's result; one call for all tenants of a server."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables)
        options = self._task.args
        server = options.get("server") or variables["inventory_hostname"]
        policy = variables["hostvars"][server]
        expected = {name: policy[variable] for name, variable in EXPECTED.items() if variable in policy}
        expected |= {**(options.get("expected") or {}), "server": server}
        # Preflight checks must also work if the inventory has an invalid tenant.
        if options.get("selection") == "verify":
            expected |= _tenants(server, options.get("names"), variables)
        arguments = {**options, "server": server, "expected": expected}
        result.update(self._execute_module("swissphoto.silo.diagnostics_info", arguments, task_vars=variables))
        return result


def _tenants(server: str, names: t.Any, variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the expected state of the tenants `names` of a server, or of all that can be read."""
    fleet = read_all(variables["groups"].get("tenants", []), variables["hostvars"])
    here = [tenant for tenant in fleet.tenants if tenant.server == server]
    lost = sorted(set(fleet.problems) - {tenant.name for tenant in fleet.tenants})
    return {
        "known": [*(tenant.name for tenant in here), *lost],
        "tenants": [expected_state(tenant) for tenant in here if not names or tenant.name in names],
        "ports": ports(),
        "seccomp": seccomp(),
    }
