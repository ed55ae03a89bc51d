"""ansible-playbook that loads its modules first, then waits for its arguments; silo.ansible.runner starts it.

While it waits, it packs the modules that it is called with, into Ansible's own cache of this process.

Standard input is a socket for one message: the command line as JSON, optionally with the descriptor of a lock, which
stays open until the end. Without a message, the process ends.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import socket
import sys
import warnings
from collections.abc import Iterable

from ansible import constants
from ansible.cli.playbook import PlaybookCLI
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

# The largest message of such a socket.
LIMIT_BYTES = 1 << 20


def _read() -> None:
    """Load what Ansible would otherwise load during the run, such as its own collection, which takes 0.1 s."""
    init_plugin_loader()
    importlib.import_module("ansible_collections.ansible.builtin")
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")


def _pack(name: str) -> None:
    """Let Ansible pack a module with what it imports, which takes 0.3 s, before a task asks for it."""
    full_name = f"swissphoto.silo.{name}"
    path = module_loader.find_plugin_with_context(full_name, collection_list=[]).plugin_resolved_path
    if path is None:
        # The run itself tells that, if it needs it.
        return
    compression = constants.config.get_config_value("DEFAULT_MODULE_COMPRESSION")
    modify_module(
        module_name=full_name,
        module_path=path,
        module_args={},
        templar=Templar(DataLoader()),
        module_compression=compression,
    )


def _pack_until_called(modules: Iterable[str], caller: socket.socket) -> None:
    """Pack one module after the other, as long as no message is there, and the caller is."""
    for name in modules:
        if select.select([caller], [], [], 0)[0]:
            return
        _pack(name)


def main(modules: Iterable[str] = ()) -> None:
    """Wait for the message, and run the playbook; pack `modules` meanwhile, such as tenant_stacks."""
    _read()
    with socket.socket(fileno=0) as caller:
        _pack_until_called(modules, caller)
        message, _locks, _flags, _address = socket.recv_fds(caller, LIMIT_BYTES, 1)
        caller.detach()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if message:
        PlaybookCLI.cli_executor(json.loads(message))


if __name__ == "__main__":
    main(sys.argv[1:])
