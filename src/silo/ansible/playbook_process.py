"""ansible-playbook, which reads its modules before it is told what to run; silo.ansible.runner starts it as a process.

Standard input is a socket, through which one message comes: the command line as JSON, and with it the descriptor of a
lock that is held open until the end, where there is one. Where nothing comes, it ends.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import warnings

from ansible.cli.playbook import PlaybookCLI
from ansible.plugins.loader import init_plugin_loader

# As much as a message of such a socket can be.
LIMIT_BYTES = 1 << 20


def _read() -> None:
    """Read what Ansible else reads when it runs: with what stands in it, its own collection takes 0.1 s."""
    init_plugin_loader()
    importlib.import_module("ansible_collections.ansible.builtin")
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")


def main() -> None:
    """Wait, and run."""
    _read()
    with socket.socket(fileno=0) as caller:
        message, _locks, _flags, _address = socket.recv_fds(caller, LIMIT_BYTES, 1)
        caller.detach()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if message:
        PlaybookCLI.cli_executor(json.loads(message))


if __name__ == "__main__":
    main()
