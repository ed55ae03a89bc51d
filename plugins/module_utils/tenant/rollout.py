# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who meets other images first, and who waits for that: one that does not work costs one tenant, not all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .plan import Plan
from .stack import File

IMAGE = "_IMAGE="


def images(record: str) -> dict[str, str]:
    """Return service to image, of the variables of Compose."""
    pairs = (line.split(IMAGE, 1) for line in record.splitlines() if IMAGE in line and not line.startswith("#"))
    return {service.lower(): image for service, image in pairs}


def _wanted(plan: Plan) -> frozenset[tuple[str, str]]:
    return frozenset(images(plan.stack.record.content).items())


def _before(record: File) -> dict[str, str]:
    return images(record.path.read_text(encoding="utf-8")) if record.path.is_file() else {}


def former(plan: Plan) -> dict[str, str]:
    """Return service to the image that it has now, where a tenant that is set up gets another one."""
    if plan.stack.state != "running" or plan.first:
        return {}
    before, after = _before(plan.stack.record), images(plan.stack.record.content)
    return {service: image for service, image in before.items() if after.get(service, image) != image}


def pioneers(plans: Iterable[Plan]) -> list[Plan]:
    """Return who is to be worked on first, one for each set of images to which others go as well.

    That is who has them already and is not well, as an earlier run left it, or else the first who gets them. Nobody is
    needed where somebody runs well with them.
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
    """Return why a tenant is left as it is, after `failed` did not start with the images that it would get."""
    for other in failed:
        if other is not plan and former(plan) and _wanted(other) == _wanted(plan):
            return f"it is left as it is: {other.stack.name} got its new images first, and does not run with them"
    return ""


def way_back(before: Mapping[str, str]) -> str:
    """Return how the images that a tenant had come back."""
    if not before:
        return ""
    named = ", ".join(f"{service} {image}" for service, image in sorted(before.items()))
    back = f"the way back is silo_images with what was there ({named}), and an apply"
    return f"; nobody else has its new images yet; {back}"
