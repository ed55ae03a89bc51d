"""ansible-playbook, which reads its modules before it is told what to run; silo.runner starts it as a process.

Standard input is a socket, through which one message comes: the command line as JSON, and with it the descriptor of a
lock that is held open until the end, where there is one. Where nothing comes, it ends.
"""

from __future__ import annotations

import json
import os
import socket

from ansible.cli.playbook import PlaybookCLI

# As much as a message of such a socket can be.
LIMIT_BYTES = 1 << 20


def main() -> None:
    """Wait, and run."""
    with socket.socket(fileno=0) as told:
        message, _locks, _flags, _address = socket.recv_fds(told, LIMIT_BYTES, 1)
        told.detach()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if message:
        PlaybookCLI.cli_executor(json.loads(message))


if __name__ == "__main__":
    main()
