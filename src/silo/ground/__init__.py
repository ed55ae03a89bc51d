"""Whether the ground is sound on which tenants stand: names, doors, servers, storage, letters, secrets."""

from silo.ground.check import Ground, check, look
from silo.ground.finding import Finding, State

__all__ = ["Finding", "Ground", "State", "check", "look"]
