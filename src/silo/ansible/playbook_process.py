"""ansible-playbook that loads its modules first, then waits for its arguments; silo.ansible.runner starts it.

Standard input is a socket for one message: the command line as JSON, optionally with the descriptor of a lock, which
stays open until the end. Without a message, the process ends.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import warnings

from ansible.cli.playbook import PlaybookCLI
from ansible.plugins.loader import init_plugin_loader

# The largest message of such a socket.
LIMIT_BYTES = 1 << 20


def _read() -> None:
    """Load what Ansible would otherwise load during the run, such as its own collection, which takes 0.1 s."""
    init_plugin_loader()
    importlib.import_module("ansible_collections.ansible.builtin")
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")


def main() -> None:
    """Wait for the message, and run the playbook."""
    _read()
    with socket.socket(fileno=0) as caller:
        message, _locks, _flags, _address = socket.recv_fds(caller, LIMIT_BYTES, 1)
        caller.detach()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if message:
        PlaybookCLI.cli_executor(json.loads(message))


if __name__ == "__main__":
    main()
