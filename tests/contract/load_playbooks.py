"""Loads playbooks as ansible-playbook does, all in one process, and prints what is in them as JSON.

Called with the paths of playbooks: path to `error`, empty where it can be loaded, and to `tasks`, those of roles and
imported playbooks with them. Whatever only a run can find, such as an include whose name is a variable, is not there.
"""

from __future__ import annotations

import json
import sys
import typing as t
from collections.abc import Iterator

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.task import Task
from ansible.plugins.loader import init_plugin_loader
from ansible.vars.manager import VariableManager


def _tasks(block: Block) -> Iterator[Task]:
    for part in (*block.block, *block.rescue, *block.always):
        if isinstance(part, Block):
            yield from _tasks(part)
        # Ansible's own, which end each part of a play.
        elif not part.implicit:
            yield part


def _described(task: Task) -> dict[str, t.Any]:
    return {
        "name": task.get_name(),
        "action": task.resolved_action or task.action,
        "arguments": sorted(task.args),
        "run_once": task.run_once,
        "register": task.register,
        "tags": sorted(set(task.tags)),
    }


def load(path: str) -> dict[str, t.Any]:
    """Return the error and the tasks of the playbook at `path`."""
    loader = DataLoader()
    try:
        plays = Playbook.load(path, variable_manager=VariableManager(loader=loader), loader=loader).get_plays()
        blocks = [
            block for play in plays for block in (*play.compile(), *play.handlers, *play.compile_roles_handlers())
        ]
        tasks = [_described(task) for block in blocks for task in _tasks(block)]
    except AnsibleError as error:
        return {"error": str(error), "tasks": []}
    return {"error": "", "tasks": tasks}


def main() -> None:
    """Load the playbooks that are named."""
    init_plugin_loader()
    print(json.dumps({path: load(path) for path in sys.argv[1:]}))


if __name__ == "__main__":
    main()
