# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A template, made: a stack that is thrown away afterwards, on a network of its own, with memory of its own.

Its photo server makes the database by its own migrations, imports the places of the world, and gets a placeholder as
its admin, by its own API. Images that do not do all of this fail here, and no tenant has met them.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..common import psql
from . import engine, health, immich, tree
from .compose import Compose
from .files import make_directory, write_file
from .stack import Admin, Container, Directory, StackError
from .template import EMAIL, PROJECT, Kept, Store, Template

LABEL = f"{engine.LABEL}.template"
SERVER, DATABASE = "server", "database"
UPLOADS = "uploads"
# The import takes half a minute on a machine at rest, and two minutes on one that is not.
IMPORT_SECONDS = 900
POLL_SECONDS = 0.5
PLACES = """SELECT count(*) FROM system_metadata WHERE "key" = 'reverse-geocoding-state';"""
# The role's password is that of no tenant; without one, nobody logs in by the network before a birth has set it.
# Each tenant's Postgres would else look through the places of the world on its first day, and freeze them.
TRIM = """
VACUUM (FREEZE, ANALYZE);
ALTER ROLE immich PASSWORD NULL;
CHECKPOINT;
"""


def containers(name: str) -> Sequence[Container]:
    """Return the containers of the stack."""
    return engine.containers(tenant=name, label=LABEL)


def compose(directory: Path, wait_seconds: int) -> Compose:
    """Return Compose for the stack."""

    def well(name: str, seconds: float, services: t.Collection[str]) -> str:
        return health.wait(name, seconds, services, look=containers)

    return Compose(directory, wait_seconds, well=well, name=PROJECT, stays=False)


@dataclasses.dataclass(frozen=True)
class Tools:
    """What a template is made with; tests bring their own."""

    compose: Callable[[Path], Compose]
    containers: Callable[[str], Sequence[Container]] = containers
    exit_code: Callable[[Container], int] = engine.exit_code
    sign_up: Callable[[Admin], None] = immich.sign_up
    ask: Callable[[str, str, Mapping[str, object]], str] = psql.ask
    sleep: Callable[[float], t.Any] = time.sleep
    clock: Callable[[], float] = time.monotonic


def make(template: Template, store: Store, tools: Tools) -> Kept:
    """Make a template and keep it; raises StackError, in one sentence, and leaves nothing of the stack."""
    project = tools.compose(template.directory)
    admin = Admin(template.photo_server, EMAIL, secrets.token_urlsafe(24))
    try:
        # A run that was cut off may have left one.
        _prepare(template, project)
        project.up()
        project.wait()
        tools.sign_up(admin)
        _await_places(template, tools)
        project.stop([SERVER])
        _ask(tools, TRIM)
        project.stop()
        _check_end(tools)
        return store.keep(template, template.directory / DATABASE, admin.password)
    except (StackError, OSError) as error:
        word = project.last_words(SERVER) if template.directory.exists() else ""
        said = f"; the last line of its photo server is: {word}" if word else ""
        raise StackError(f"the template of these images cannot be made ({template.words}): {error}{said}") from error
    finally:
        clear(template.directory, project)


def clear(directory: Path, project: Compose) -> None:
    """Remove the stack, its network and its files."""
    if directory.exists():
        if (directory / "compose.yaml").exists():
            project.down()
        tree.remove(directory)


def _prepare(template: Template, project: Compose) -> None:
    clear(template.directory, project)
    directory, owner = template.directory, template.owner
    make_directory(Directory(directory, 0o700, 0))
    make_directory(Directory(directory / "secrets", 0o700, 0))
    for folder in (*template.folders, UPLOADS):
        make_directory(Directory(directory / folder, 0o700, owner))
    # It is the mount point of another folder.
    make_directory(Directory(directory / UPLOADS / "backups", 0o700, owner))
    for file in template.files:
        write_file(file)


def _await_places(template: Template, tools: Tools) -> None:
    deadline = tools.clock() + IMPORT_SECONDS
    while _ask(tools, PLACES) != "1":
        running = {one.service for one in tools.containers(PROJECT) if one.state == "running"}
        if not running >= {SERVER, DATABASE}:
            raise StackError("its photo server ended while it imported the places, as where it is short of memory")
        if tools.clock() >= deadline:
            raise StackError(f"its photo server has not imported the places within {IMPORT_SECONDS} s")
        tools.sleep(POLL_SECONDS)


def _ask(tools: Tools, statement: str) -> str:
    try:
        return tools.ask(PROJECT, statement, {})
    except psql.PsqlError as error:
        raise StackError(f"its database does not do what it is asked: {error}") from error


def _check_end(tools: Tools) -> None:
    """Refuse a database that was not shut down to the end: who unpacks it would have to repair it."""
    (database,) = (one for one in tools.containers(PROJECT) if one.service == DATABASE)
    if code := tools.exit_code(database):
        raise StackError(f"its database did not shut down cleanly, it ended with code {code}")
