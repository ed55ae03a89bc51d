"""Lends memory that nobody was promised to those who need it, and takes it back, in each run of the timer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lending import POLICY, Lending
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lock import APPLY, LockedError, held
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from .settings import AccountingSettings


@dataclasses.dataclass(frozen=True)
class Step:
    """What came of it. `pool` in bytes is what nobody was promised; None where it is not known, as during an apply."""

    pool: int | None = None
    problems: tuple[str, ...] = ()


def lend(settings: AccountingSettings, lending: Lending | None = None, lock: Path = APPLY) -> Step:
    """Lend and take back once; an apply that runs does so itself."""
    if settings.server is None or not (settings.server.directory.parent / POLICY).exists():
        return Step()
    try:
        with held(lock, 0):
            lent = (lending or Lending(settings.server.directory)).settle()
    except LockedError:
        return Step()
    except (StackError, OSError) as error:
        return Step(problems=(str(error),))
    return Step(lent.pool, (lent.problem,) if lent.problem else ())
