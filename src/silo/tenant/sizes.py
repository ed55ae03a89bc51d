# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sizes among a tenant's settings somebody can mean: a quota of 100 bytes is a unit that was forgotten. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.module_utils.common.text.formatters import human_to_bytes

from silo.tenant.services import burst_settings, memory_settings

MIB, TIB = 1024**2, 1024**4
_MEMORY = (64 * MIB, TIB, "it must be a memory limit with its unit, from 64M to 1T")
_BURST = (0, TIB, "it must be 0, or a size of up to 1T that it may borrow")


def ranges() -> Mapping[str, tuple[int, int, str]]:
    """Return setting to the least and the most bytes of it, and what would be right."""
    return {
        "tenant_quota": (MIB, 1024 * TIB, "it must be a quota with its unit, such as 100G, from 1M to 1024T"),
        "tenant_disk": (MIB, TIB, "it must be a size of a disk with its unit, such as 20G, from 1M to 1T"),
        **dict.fromkeys(memory_settings(), _MEMORY),
        **dict.fromkeys(burst_settings(), _BURST),
    }


def problems(name: str, settings: Mapping[str, t.Any]) -> list[str]:
    """Return a sentence for each size of a tenant that nobody means; all of them are sizes already."""
    return [
        f"{name}: {key} is {str(settings[key])!r}; {right}"
        for key, (least, most, right) in ranges().items()
        if not least <= int(human_to_bytes(settings[key])) <= most
    ]
