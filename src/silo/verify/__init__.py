"""Whether what is promised to each tenant holds, looked at from outside."""

from silo.verify.audit import verify
from silo.verify.check import Check

__all__ = ["Check", "verify"]
