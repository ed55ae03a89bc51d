"""Checks of machines and tenants: `silo check` before a creation, `silo verify` of existing tenants."""

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import Finding, State

__all__ = ["Finding", "State"]
