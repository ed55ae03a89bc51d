"""Finds the repository: the playbooks, roles, policy and collection that this package uses."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from pathlib import Path

COLLECTION = "ansible_collections.swissphoto.silo"
# What an installed package has of the repository; pyproject.toml puts it there.
PACKED = Path(__file__).parent / "home"


class RepositoryNotFoundError(Exception):
    """The repository was not found; the text says what to do."""


@functools.cache
def root() -> Path:
    """Return the folder with playbooks and roles; raises RepositoryNotFoundError.

    If $SILO_HOME is set, only that is tried. Otherwise it is the first that exists of: the clone in which this file is;
    what was installed with it; the working directory and those above it.
    """
    given = os.environ.get("SILO_HOME")
    places = [Path(given)] if given else [Path(__file__).parents[2], PACKED, Path.cwd(), *Path.cwd().parents]
    for place in places:
        if (place / "playbooks" / "site.yml").is_file() and (place / "ansible.cfg").is_file():
            return place.resolve()
    raise RepositoryNotFoundError(
        "silo: its playbooks are not here; set SILO_HOME to the path of a clone of its repository, or call it there"
    )


def policy() -> Path:
    """Return the folder of the platform's policy: that of the repository, else that of the installed collection."""
    try:
        return root() / "group_vars"
    except RepositoryNotFoundError:
        return collection() / "group_vars"


def make_collection_importable() -> None:
    """Add the collection of the repository to Python's path; Ansible's own processes find it by themselves."""
    try:
        path = str(root() / "collections")
    except RepositoryNotFoundError:
        return
    if path not in sys.path:
        sys.path.append(path)


@functools.cache
def collection() -> Path:
    """Return the folder of the collection, in the repository or in Ansible's path."""
    found = importlib.util.find_spec(COLLECTION)
    if found is None or not found.submodule_search_locations:
        raise RepositoryNotFoundError("the collection swissphoto.silo is not installed")
    return Path(next(iter(found.submodule_search_locations)))
