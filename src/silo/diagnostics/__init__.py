"""Checks of machines and tenants: `silo check` before anything is created, `silo verify` of what is there."""

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import Finding, State

__all__ = ["Finding", "State"]
