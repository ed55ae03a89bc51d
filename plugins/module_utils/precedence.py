# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose variables count more: those of an inventory, or the policy beside the playbooks of this collection."""

from __future__ import annotations

from collections.abc import Sequence

# As Ansible calls the variables beside a playbook, and those of an inventory.
OF_PLAYBOOKS = ("all_plugins_play", "groups_plugins_play")
OF_INVENTORIES = ("all_inventory", "groups_inventory", "all_plugins_inventory", "groups_plugins_inventory")
LINE = f"precedence = {', '.join(OF_PLAYBOOKS + OF_INVENTORIES)}"


def problem(precedence: Sequence[str]) -> str:
    """Return what is wrong with Ansible's setting `precedence`, and the line to add; empty if an inventory counts more.

    By Ansible's own default, the policy beats the inventory, and an apply would change every tenant to it.
    """
    counts = {name: place for place, name in enumerate(precedence)}
    policy = max((counts[name] for name in OF_PLAYBOOKS if name in counts), default=-1)
    inventory = [counts.get(name, -1) for name in OF_INVENTORIES]
    if min(inventory) > policy:
        return ""
    return (
        "the policy of swissphoto.silo would count more than this inventory, so an apply would change every tenant to "
        f"it. Add this line to [defaults] in your ansible.cfg: {LINE}"
    )
