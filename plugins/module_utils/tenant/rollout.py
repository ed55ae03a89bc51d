# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chooses the tenant that tries new images first, so that a broken image affects one tenant, not all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .plan import Plan
from .stack import File

IMAGE = "_IMAGE="


def images(record: str) -> dict[str, str]:
    """Return service to image, from the variables of Compose."""
    pairs = (line.split(IMAGE, 1) for line in record.splitlines() if IMAGE in line and not line.startswith("#"))
    return {service.lower(): image for service, image in pairs}


def _wanted(plan: Plan) -> frozenset[tuple[str, str]]:
    return frozenset(images(plan.stack.record.content).items())


def _before(record: File) -> dict[str, str]:
    return images(record.path.read_text(encoding="utf-8")) if record.path.is_file() else {}


def former(plan: Plan) -> dict[str, str]:
    """Return service to its current image, for each service of an existing tenant that gets another image."""
    if plan.stack.state != "running" or plan.first:
        return {}
    before, after = _before(plan.stack.record), images(plan.stack.record.content)
    return {service: image for service, image in before.items() if after.get(service, image) != image}


def pioneers(plans: Iterable[Plan]) -> list[Plan]:
    """Return the tenants to change first, one for each set of images that others get as well.

    This is an unhealthy tenant that already has the images, left by an earlier run, or else the first that gets them.
    If a tenant already runs healthily with the images, none is needed.
    """
    groups: dict[frozenset[tuple[str, str]], list[Plan]] = {}
    for plan in plans:
        if plan.stack.state == "running" and not plan.first:
            groups.setdefault(_wanted(plan), []).append(plan)
    chosen = []
    for group in groups.values():
        moving = [plan for plan in group if former(plan)]
        there = [plan for plan in group if not former(plan)]
        proven = any(plan.observed == "running" for plan in there)
        candidates = [plan for plan in there if plan.up] + moving
        if moving and len(candidates) > 1 and not proven:
            chosen.append(candidates[0])
    return chosen


def waits(plan: Plan, failed: Sequence[Plan]) -> str:
    """Return why a tenant is not changed, after another one did not start with the same new images."""
    for other in failed:
        if other is not plan and former(plan) and _wanted(other) == _wanted(plan):
            return f"not changed, because {other.stack.name} got the same new images first and does not run with them"
    return ""


def way_back(before: Mapping[str, str]) -> str:
    """Return how to restore a tenant's previous images."""
    if not before:
        return ""
    named = ", ".join(f"{service} {image}" for service, image in sorted(before.items()))
    back = f"to go back, set silo_images to the previous images ({named}), and apply"
    return f"; no other tenant has its new images yet; {back}"
