"""Where the repository lies: playbooks, roles, policy and the collection that this package uses."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from pathlib import Path

COLLECTION = "ansible_collections.swissphoto.silo"


class RepositoryNotFoundError(Exception):
    """There is no repository to work with; the text says where one is expected."""


@functools.cache
def root() -> Path:
    """Return the folder with playbooks and roles; raises RepositoryNotFoundError.

    It is the first that exists of: $SILO_HOME alone where it is set; the folder that this file was installed from; the
    working directory and those above it.
    """
    given = os.environ.get("SILO_HOME")
    places = [Path(given)] if given else [Path(__file__).parents[2], Path.cwd(), *Path.cwd().parents]
    for place in places:
        if (place / "playbooks" / "site.yml").is_file() and (place / "ansible.cfg").is_file():
            return place.resolve()
    raise RepositoryNotFoundError(
        "silo: its playbooks are not here; call it in its repository, or set SILO_HOME to where that lies"
    )


def make_collection_importable() -> None:
    """Let Python find the collection of the repository; Ansible's own processes find it by themselves."""
    try:
        path = str(root() / "collections")
    except RepositoryNotFoundError:
        return
    if path not in sys.path:
        sys.path.append(path)


@functools.cache
def collection() -> Path:
    """Return the folder of the collection, in the repository or where Ansible has installed it."""
    found = importlib.util.find_spec(COLLECTION)
    if found is None or not found.submodule_search_locations:
        raise RepositoryNotFoundError("the collection swissphoto.silo is not installed")
    return Path(next(iter(found.submodule_search_locations)))
