#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_stacks
short_description: Converge the stacks of all tenants of a server in one call
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Compares the files and the containers of every tenant with what they should be, and changes what differs.
  - Sets the limits of O(storage) and O(disk) before, as M(swissphoto.silo.storage_quota) would in calls of its own. A
    limit that cannot be set keeps no tenant from its stack.
  - Asks the Docker Engine once for all containers, and runs Docker Compose only for tenants that differ.
  - Asks each photo server whether it works with its database, and runs the health checks of services that the engine
    does not call healthy. It never waits for a probe of the engine.
  - Tenants are worked on side by side; one that fails does not keep the others from what they should be.
  - A tenant without a database is born of the template of its images, whose placeholder becomes its first admin over
    the tenant's own network; then its route is opened. The template is made first, where the NAS does not have it.
  - No tenant gets images that make no template.
  - Lends memory that nobody was promised to photo servers that start with other images, where C(memory.json) beside
    O(directory) says how much there is, and takes it back from those that do not need it. A tenant whose promised
    memory is still in use by others does not start.
  - Refuses a tenant whose uploads hold files and that has no database here.
  - A tenant that should run, and of which a container is paused, is left alone, because silo pauses none. Of one that
    should not run, such containers are killed, because they would end only once they run again.
  - Leaves a tenant as it is whose database is of another major version of Postgres than the image that it would get.
  - Sets the photo server's own quota of its first admin, where it is not the one that was set last.
  - Waits until the address of a route that it opened works, with its certificate.
  - The action plugin of the same name fills in the parameters from the inventory; a playbook gives it O(names) alone.
attributes:
  check_mode:
    description: Returns the changes without making them.
    support: full
  diff_mode:
    description: Shows files before and after; for a secret, only that it changes.
    support: full
extends_documentation_fragment: swissphoto.silo.templates
options:
  names:
    description: The tenants to converge.
    type: list
    elements: str
    required: true
  known:
    description: All tenants of this server in the inventory; others with containers are reported as orphans.
    type: list
    elements: str
    default: []
  directory:
    description: Directory that holds one directory per tenant.
    type: path
    default: /srv/silo/tenants
  routes_directory:
    description: Traefik's directory of dynamic configuration.
    type: path
    default: /srv/silo/traefik/routes
  sentinel:
    description:
      - A file that exists only on the NAS, below its mount point; without it, the module starts nothing.
      - A child process with a time limit looks for it, only if a container must be started.
    type: path
    default: /instances/.silo-nas
  compose:
    description: Content of the Compose file, the same for all tenants.
    type: str
    default: ""
  mounts:
    description: File in a tenant's directory, or in its secrets, to the services that mount it.
    type: dict
    default: {}
  after:
    description: Service to those that must work before it is made or started.
    type: dict
    default: {}
  folders:
    description: Folders of a tenant's directory in which its services keep data.
    type: list
    elements: str
    default: []
  anew:
    description: Tenants of O(names) that may begin with an empty database though their uploads hold files.
    type: list
    elements: str
    default: []
  storage:
    description:
      - The options of M(swissphoto.silo.storage_quota) for the uploads, if this server is the NAS of its tenants.
      - Without it, no limit of uploads is set.
    type: dict
  disk:
    description: The same for the disk of this server; without it, no limit is set there.
    type: dict
  unlimited:
    description:
      - Tenants whose limit on the NAS or the disk could not be set. The photo server's own quota of these stays as it
        is.
    type: list
    elements: str
    default: []
  needed_templates:
    description: Keys of the templates that tenants of this NAS need, on whatever server; others are removed.
    type: list
    elements: str
    default: []
  wait_seconds:
    description: How long to wait for a stack to work, and for another run to end.
    type: int
    default: 300
  tenants:
    description: One element for each of O(names).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the tenant.
        type: str
        required: true
      host_name:
        description: Its public host name.
        type: str
        required: true
      template:
        description: Key of the template of which it is born.
        type: str
        required: true
      state:
        description: The desired state.
        type: str
        required: true
        choices: [running, stopped, suspended, absent]
      uid:
        description: User and group id of its processes and files.
        type: int
        required: true
      photo_server:
        description: URL of the photo server on the tenant's own network, such as V(http://10.83.0.18:2283).
        type: str
        required: true
      storage:
        description: The tenant's directory on the NAS.
        type: path
        required: true
      disk:
        description:
          - The tenant's directory on the server's disk, with its data; M(swissphoto.silo.storage_quota) creates it.
        type: path
        required: true
      app_quota:
        description: The photo server's own quota of the first admin, in bytes.
        type: int
        required: true
      email:
        description: Login of the first admin. It is set again only if it is another than last time.
        type: str
        required: true
      admin_password:
        description: Password of the first admin.
        type: str
        required: true
      compose:
        description: Content of the tenant's own Compose file; empty if O(compose) applies.
        type: str
        default: ""
      env:
        description: Content of the env file of Compose.
        type: str
        required: true
      slice:
        description: Content of the systemd slice of the containers; empty if there is none.
        type: str
        default: ""
      configuration:
        description: Content of Immich's configuration file.
        type: str
        required: true
      route:
        description: Content of Traefik's file.
        type: str
        required: true
      starting:
        description: Content of the route with which Traefik requests the certificate while the stack of a new tenant
          starts.
        type: str
        default: ""
      digests:
        description: Service to the digest of its sources.
        type: dict
        required: true
      secrets:
        description: File name to content.
        type: dict
        required: true
"""

EXAMPLES = r"""
- name: Converge the tenants
  swissphoto.silo.tenant_stacks:
    names:
      - hans
      - maria
  delegate_to: silo1
"""

RETURN = r"""
tenants:
  description: The result, by tenant.
  returned: always
  type: dict
  contains:
    observed:
      description: The state before the call, such as V(running), V(frozen), V(stopped) or V(absent).
      type: str
    desired:
      description: The desired state.
      type: str
    changes:
      description: Each difference, with C(what) differs and the C(action) that removes the difference.
      type: list
      elements: dict
    error:
      description: Why the tenant failed; empty if it did not.
      type: str
    note:
      description: Why the tenant was left alone on purpose; empty if it was not.
      type: str
parts:
  description:
    - The results of M(swissphoto.silo.storage_quota) for O(storage) and O(disk), each if the option is given.
    - They are returned also if the stacks fail.
  returned: always
  type: dict
templates_removed:
  description: Keys of templates that no tenant needs any more.
  returned: always
  type: list
  elements: str
orphans:
  description: Tenants with containers on this server, but not in the inventory of this server.
  returned: always
  type: list
  elements: str
"""

import contextlib
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.command import module_runner
from ..module_utils.quota.allotment import ARGUMENTS, allot
from ..module_utils.tenant import engine, health
from ..module_utils.tenant.compose import Compose
from ..module_utils.tenant.converge import StackOutcome, converge, rehearse, sweep
from ..module_utils.tenant.execution import StackTools
from ..module_utils.tenant.lending import Lending
from ..module_utils.tenant.lock import APPLY, held
from ..module_utils.tenant.payload import stack
from ..module_utils.tenant.plan import Plan, plan
from ..module_utils.tenant.probe import look
from ..module_utils.tenant.stack import Container, StackError
from ..module_utils.tenant.stock import OPTION, stock

# In this order: the options, and the ids of the results.
QUOTAS = ("storage", "disk")


def _argument_spec() -> dict[str, t.Any]:
    text = {"type": "str", "required": True}
    tenant: dict[str, t.Any] = {
        "name": text,
        "host_name": text,
        "template": text,
        "state": {**text, "choices": ["running", "stopped", "suspended", "absent"]},
        "uid": {"type": "int", "required": True},
        "photo_server": text,
        "storage": {"type": "path", "required": True},
        "disk": {"type": "path", "required": True},
        "app_quota": {"type": "int", "required": True},
        "email": text,
        "admin_password": {**text, "no_log": True},
        "compose": {"type": "str", "default": ""},
        "env": text,
        "slice": {"type": "str", "default": ""},
        "configuration": text,
        "route": text,
        "starting": {"type": "str", "default": ""},
        "digests": {"type": "dict", "required": True},
        "secrets": {"type": "dict", "required": True, "no_log": True},
    }
    return {
        "names": {"type": "list", "elements": "str", "required": True},
        "anew": {"type": "list", "elements": "str", "default": []},
        **{quota: {"type": "dict"} for quota in QUOTAS},
        "unlimited": {"type": "list", "elements": "str", "default": []},
        "needed_templates": {"type": "list", "elements": "str", "default": []},
        **OPTION,
        "known": {"type": "list", "elements": "str", "default": []},
        "directory": {"type": "path", "default": "/srv/silo/tenants"},
        "routes_directory": {"type": "path", "default": "/srv/silo/traefik/routes"},
        "sentinel": {"type": "path", "default": "/instances/.silo-nas"},
        "compose": {"type": "str", "default": ""},
        "mounts": {"type": "dict", "default": {}},
        "after": {"type": "dict", "default": {}},
        "folders": {"type": "list", "elements": "str", "default": []},
        "wait_seconds": {"type": "int", "default": 300},
        "tenants": {"type": "list", "elements": "dict", "default": [], "options": tenant},
    }


def _quotas(module: AnsibleModule) -> dict[str, dict[str, t.Any]]:
    """Set the limits that the parameters have; return option to the result."""
    results = {}
    for quota in QUOTAS:
        if (given := module.params[quota]) is None:
            continue
        valid = ArgumentSpecValidator(ARGUMENTS).validate(given)
        if valid.error_messages:
            module.fail_json(msg=f"{quota}: {'; '.join(valid.error_messages)}")
        results[quota] = allot(valid.validated_parameters, module.check_mode, module_runner(module), module.warn)
    return results


def _refused(parts: dict[str, dict[str, t.Any]], names: list[str]) -> set[str]:
    """Return the tenants of which a limit could not be set; all of them, where the file system cannot be read."""
    done = [part.get("tenants", dict.fromkeys(names, {"failed": True})) for part in parts.values()]
    return {name for tenants in done for name, one in tenants.items() if one["failed"]}


def _containers(check_mode: bool) -> list[Container]:
    # Before the first run there is no engine yet, and thus no container.
    if check_mode and not Path(engine.SOCKET).exists():
        return []
    return engine.containers()


def _plans(parameters: dict[str, t.Any], containers: list[Container]) -> list[Plan]:
    return [
        plan(stack(item, parameters), [container for container in containers if container.tenant == item["name"]])
        for item in parameters["tenants"]
    ]


def _result(outcomes: list[StackOutcome], orphans: set[str], removed: list[str], with_diff: bool) -> dict[str, t.Any]:
    tenants = {
        outcome.plan.stack.name: {
            "observed": outcome.plan.observed,
            "desired": outcome.plan.stack.state,
            "changes": [{"what": change.what, "action": change.action} for change in outcome.plan.changes],
            "error": outcome.error,
            "note": outcome.note,
        }
        for outcome in outcomes
    }
    diffs = [diff for outcome in outcomes for diff in outcome.plan.diffs] if with_diff else []
    return {
        "changed": bool(removed) or any(outcome.plan.changes for outcome in outcomes),
        "tenants": tenants,
        "templates_removed": removed,
        "orphans": sorted(orphans),
        "diff": [
            {"before_header": diff.path, "after_header": diff.path, "before": diff.before, "after": diff.after}
            for diff in diffs
        ],
    }


def main() -> None:
    # The parameters contain the tenants' secrets, so the module logs nothing to the server's journal.
    module = AnsibleModule(argument_spec=_argument_spec(), supports_check_mode=True, no_log=True)
    parameters = module.params
    # Before the stacks, so that who has no room left has some when its database starts.
    parts = _quotas(module)
    diffs = [diff for part in parts.values() for diff in part.pop("diff", [])]
    parameters["unlimited"] = [*parameters["unlimited"], *_refused(parts, parameters["names"])]
    tools = StackTools(
        lambda directory: Compose(directory, parameters["wait_seconds"]),
        lambda directories: look(Path(parameters["sentinel"]), directories),
        stock(parameters, parameters["needed_templates"]),
        Lending(Path(parameters["directory"])),
    )
    lock = contextlib.nullcontext() if module.check_mode else held(APPLY, parameters["wait_seconds"])
    try:
        with lock:
            containers = _containers(module.check_mode)
            named = [container for container in containers if container.tenant in parameters["names"]]
            plans = _plans(parameters, health.asked(named))
            outcomes = rehearse(plans, tools) if module.check_mode else converge(plans, tools)
            removed = [] if module.check_mode else sweep(outcomes, tools)
    except (StackError, OSError) as error:
        module.fail_json(msg=str(error), parts=parts)
    orphans = {container.tenant for container in containers} - set(parameters["known"]) - set(parameters["names"])
    # Without the parameters, because Ansible would search all of their texts for each secret of each tenant.
    result = _result(outcomes, orphans, removed, module._diff)
    result["changed"] = result["changed"] or any(part.get("changed") for part in parts.values())
    module.exit_json(invocation={}, **result | {"parts": parts, "diff": diffs + result["diff"]})


if __name__ == "__main__":
    main()
