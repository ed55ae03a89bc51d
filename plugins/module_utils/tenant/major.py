# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The major version of a database: Postgres cannot read the files of another one, so no tenant gets an image of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..common import foreign
from ..common.text import printable
from . import engine
from .compose import run_command
from .plan import Plan
from .rollout import images
from .stack import StackError

DATABASE = "database"
VERSION_FILE = "PG_VERSION"
# The images of Postgres say it in this variable, and most in the beginning of their tag.
VARIABLE = "PG_MAJOR="
TAG = re.compile(r":(\d{1,3})(?:[-._][^/:]*)?$")
MAJOR = re.compile(r"\s*(\d{1,3})\s*")
LONGEST = 16
PULL_SECONDS = 900


def of_files(directory: Path) -> str:
    """Return the major version of the database on a tenant's disk; empty where there is none to be read.

    The file is the tenant's own, so it may be anything: what is no small file of its own is none.
    """
    try:
        found = MAJOR.fullmatch(foreign.read(directory / DATABASE / VERSION_FILE, LONGEST).text)
    except OSError:
        return ""
    return found[1] if found else ""


def of_image(image: str) -> str:
    """Return the major version of an image, as it says itself or its tag says; empty where neither does."""
    try:
        configuration = engine.get(f"/images/{image}/json", {}).get("Config") or {}
    except StackError:  # it is not on this server
        configuration = {}
    said = [text.removeprefix(VARIABLE) for text in configuration.get("Env") or () if text.startswith(VARIABLE)]
    found = TAG.search(image.partition("@")[0])
    return said[0] if said else found[1] if found else ""


def of_pulled_image(image: str) -> str:
    """Return the same, and fetch an image that says nothing by its name alone; raises StackError."""
    known = of_image(image)
    if known:
        return known
    result = run_command(("docker", "pull", "--quiet", image), {}, seconds=PULL_SECONDS)
    if result.rc:
        raise StackError(f"{image} cannot be fetched: {printable(result.err.strip())}")
    return of_image(image)


def refusal(plan: Plan, major: Callable[[str], str]) -> str:
    """Return why a tenant must not get the image that it would get; empty where it may. Raises StackError."""
    stack = plan.stack
    # What a birth that was cut off left is thrown away.
    if plan.birth:
        return ""
    gets_another = any(change.what == DATABASE and change.action in ("create", "recreate") for change in plan.changes)
    there = of_files(stack.disk) if gets_another else ""
    image = images(stack.record.content).get(DATABASE, "")
    if not there or not image:
        return ""
    wanted = major(image)
    if wanted in ("", there):
        return ""
    record = stack.record.path
    former = images(record.read_text(encoding="utf-8")).get(DATABASE, "") if record.is_file() else ""
    kept = former if former and former != image else f"<an image of Postgres {there}>"
    return (
        f"its database is of Postgres {there}, and {image} is of Postgres {wanted}, which cannot read it; "
        f"nothing was changed. 'tenant_database_image: {kept}' in its overrides.yml keeps it as it is"
    )


def refusals(plans: Sequence[Plan], major: Callable[[str], str]) -> dict[str, str]:
    """Return tenant to why it must not get the image that it would get, of those that must not."""
    found = {}
    for plan in plans:
        try:
            found[plan.stack.name] = refusal(plan, major)
        except StackError as error:
            found[plan.stack.name] = str(error)
    return {name: reason for name, reason in found.items() if reason}
