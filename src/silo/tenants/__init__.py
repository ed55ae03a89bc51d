"""All changes of tenants, for the command line, the playbooks and billing: from validation to the machines."""

from silo.tenants.errors import ApplyIncomplete
from silo.tenants.service import TenantService
from silo.tenants.trash import in_the_trash

__all__ = ["ApplyIncomplete", "TenantService", "in_the_trash"]
