"""The program `silo`."""

from __future__ import annotations

import sys

from silo import repository


def main() -> None:
    """Run the command line; outside of a repository, end with a sentence."""
    try:
        repository.root()
    except repository.RepositoryNotFoundError as error:
        sys.exit(str(error))
    from silo import cli
    from silo.cli import output

    sys.excepthook = output.crash
    cli.main()


if __name__ == "__main__":
    main()
