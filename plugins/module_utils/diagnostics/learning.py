# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the walls around the machine learning: its gate, the way to it, its models."""

from __future__ import annotations

import http
import json
import re
from collections.abc import Iterator

from ..command import CommandError, run
from ..common import http_client
from ..common.http_client import HttpError
from ..common.names import is_tenant
from ..learning import models
from .edge import RULES
from .finding import Finding, holds, none_of, same
from .registry import check
from .subjects import SITE, Server

# No tenant has this name; the gate does not count what it is asked with it.
NOBODY = "silo"
SECONDS = 5.0
MARK = "silo-verify"
# What a customer with a shell in the photo server would send: it breaks a model for all tenants.
HOSTILE = {"session": "x"}
REFUSED = "refused"


@check("learning_gate", scope="server", fix=SITE)
def learning_gate(server: Server) -> Finding | None:
    """Check that what Immich does not ask is refused before the machine learning, by a request that does ask it."""
    port = int(server.expected.number("learning_gate_port", 0))
    known = next(iter(server.expected.items("learning_models")), None)
    return same(_answer(port, _hostile(known["task"], known["name"])), REFUSED) if port and known else None


def _hostile(task: str, name: str) -> str:
    """Return what Immich asks of a model of the platform, but for the options."""
    kinds = ("textual",) if task == "clip" else models.TYPES[task]
    return json.dumps({task: {kind: {"modelName": name, "options": HOSTILE} for kind in kinds}})


def _answer(port: int, entries: str) -> str:
    parts = (("entries", entries), ("text", "a"))
    form = "".join(
        f'--{MARK}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in parts
    )
    try:
        answer = http_client.ask(
            f"http://127.0.0.1:{port}/{NOBODY}/predict",
            method="POST",
            body=f"{form}--{MARK}--\r\n".encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={MARK}"},
            seconds=SECONDS,
        )
    except HttpError as error:
        return f"the gate does not answer: {error}"
    is_refused = answer.status == http.HTTPStatus.UNPROCESSABLE_ENTITY and b'"session\\" is not known' in answer.body
    return REFUSED if is_refused else f"options that break a model are answered with {answer.status}"


@check("learning_owner", scope="server", fix=SITE)
def learning_owner(server: Server) -> Finding | None:
    """Check that the kernel lets only the gate, of this server's processes, to the machine learning, and it nowhere."""
    bridge, uid = server.expected.text("learning_bridge"), int(server.expected.number("learning_gate_uid", 0))
    if not bridge:
        return None
    try:
        rules = run(server.runner, RULES)
    except CommandError:
        rules = ""
    wanted = {
        f'oifname "{bridge}" meta skuid != {{ 0, {uid} }} drop': "every process of this server reaches it",
        f'iifname "{bridge}" drop': "it has a way out",
        f'oifname "{bridge}" drop': "others have a way to it",
    }
    lines = {line.strip() for line in rules.splitlines()}
    expected = f"user {uid} alone, and no way out"
    return none_of((wrong for rule, wrong in wanted.items() if rule not in lines), expected, expected)


@check("learning_route", scope="server", fix=f"{SITE}, then 'silo apply'")
def learning_route(server: Server) -> Finding | None:
    """Check that Traefik leads to the gate, and tells it of each tenant who asks."""
    port, folder = int(server.expected.number("learning_gate_port", 0)), server.expected.text("routes")
    if not port or not folder:
        return None
    routes, expected = server.expected.path("routes", folder), "each tenant's, to the gate"
    try:
        base = (routes / "_base.yml").read_text(encoding="utf-8")
        return none_of([*_base(base, port), *_tenants(server)], expected, expected)
    except OSError as error:
        return holds(False, f"the routes cannot be read: {error}", expected)


def _base(text: str, port: int) -> Iterator[str]:
    found = re.search(
        r"^    machine-learning:\n      loadBalancer: \{servers: \[\{url: \"([^\"\n]*)\"\}\]\}$", text, re.M
    )
    if found is None or found[1] != f"http://127.0.0.1:{port}":
        yield f"the machine learning is at {found[1] if found else 'no address'}, which is not the gate"


def _tenants(server: Server) -> Iterator[str]:
    for tenant in server.tenants:
        path = server.expected.path("routes", "") / f"tenant-{tenant.name}.yml"
        if not path.exists() or not is_tenant(tenant.name):
            continue
        text, router = path.read_text(encoding="utf-8"), f"tenant-{tenant.name}-ml"
        # A tenant that is closed has no way to it.
        if f"    {router}:\n" not in text:
            continue
        if (
            f"- {router}-gate\n" not in text
            or f"{router}-gate:\n      addPrefix:\n        prefix: /{tenant.name}\n" not in text
        ):
            yield f"{tenant.name} asks without its name"


@check("learning_models", scope="server", fix=SITE)
def learning_models(server: Server) -> Finding | None:
    """Check that the models are those that the role has put there, and that only root can change them."""
    folder = server.expected.text("learning_directory")
    if not folder:
        return None
    expected = "as recorded, and root's"
    owner = int(server.expected.number("learning_models_owner", 0))
    return none_of(models.problems(server.expected.path("learning_directory", folder), owner), expected, expected)
