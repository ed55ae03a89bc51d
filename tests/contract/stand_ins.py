"""What the modules that work on servers and NAS answer where there are none: in their own form, and written down.

A copy of the collection has modules that call this. How a host is, is told by the file `scenario.json` in the world's
directory; what was called, by `calls.jsonl`, a line of JSON for each call.
"""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Callable, Mapping

Values = Mapping[str, t.Any]
# Host, parameters and scenario to what the module returns.
Answer = Callable[[str, Values, Values], dict[str, t.Any]]

GIB = 1024**3
# By the plan small, of the uploads on a NAS and of a server's own disk.
LIMITS = {"/instances": 100, "/databases": 20}
SERVICES = ("server", "database", "cache")
# What the call of the stacks may do first, with the options of storage_quota.
PARTS = ("storage", "disk")


def _stacks(host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    tenants = {
        item["name"]: {
            "observed": "absent",
            "desired": item["state"],
            "changes": [{"what": "server", "action": "create"}],
            "error": scenario["broken"].get(item["name"], ""),
            "note": scenario["frozen"].get(item["name"], ""),
        }
        for item in parameters["tenants"]
    }
    foreign = set(scenario["orphans"].get(host, ())) - set(parameters["known"]) - set(parameters["names"])
    parts = {
        part: _storage(host, {**parameters[part], "backend": parameters[part].get("backend", "auto")}, scenario)
        for part in PARTS
        if parameters.get(part)
    }
    told = {"tenants": tenants, "parts": parts, "templates_removed": [], "orphans": sorted(foreign)}
    return {"changed": True, **told, "diff": []}


def _storage(_host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    def outcome(item: Values) -> dict[str, t.Any]:
        sentence = scenario["unserved"].get(item["name"], "")
        limit = None if sentence else int(item["limit"])
        served = {"limit": limit, "used": 0, "inodes": None, "inode_limit": None}
        done = {"changed": not sentence, "changes": [] if sentence else ["make"], "failed": bool(sentence)}
        found = None if sentence else {"id": item["id"], "limit": limit, "inode_limit": None, "problem": ""}
        return {
            "path": f"{parameters['root']}/{item['name']}",
            **served,
            **done,
            "found": found,
            **({"msg": sentence} if sentence else {}),
        }

    tenants = {item["name"]: outcome(item) for item in parameters["tenants"]}
    failed = any(one["failed"] for one in tenants.values())
    return {"backend": _backend(parameters), "tenants": tenants, "changed": not failed, "failed": failed}


def _backend(parameters: Values) -> str:
    return "btrfs" if parameters["backend"] == "auto" else str(parameters["backend"])


def _storage_info(host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    tenants = {
        name: {
            "path": f"{parameters['root']}/{name}",
            "id": scenario["ids"].get(name),
            "limit": LIMITS[parameters["root"]] * GIB,
            "used": number * GIB,
            "inodes": None,
            "inode_limit": None,
            "problem": "",
        }
        for number, name in enumerate(scenario["tenants"].get(host, ()), start=1)
    }
    pool = {"size": 4096 * GIB, "free": 2048 * GIB}
    return {"backend": _backend(parameters), "pool": pool, "tenants": tenants, "trash": []}


def _stacks_info(host: str, _parameters: Values, scenario: Values) -> dict[str, t.Any]:
    def services(name: str) -> dict[str, Values]:
        state = "exited" if name in scenario["stopped"].get(host, ()) else "running"
        service = {"state": state, "health": "healthy", "version": "v1", "memory_bytes": 1, "memory_limit_bytes": GIB}
        return dict.fromkeys(SERVICES, service)

    return {"tenants": {name: services(name) for name in scenario["tenants"].get(host, ())}}


def _usage(host: str, _parameters: Values, scenario: Values) -> dict[str, t.Any]:
    database = {"size_bytes": GIB, "photos": 7, "videos": 1, "users": 1, "last_login": None}
    disk = {"database_bytes": GIB, "backups_bytes": 0, "queue_bytes": 0}
    found = {"services": {}, "database": database, "disk": disk, "slice": None, "burst_bytes": 0}
    metrics = f"process_start_time_seconds {1_795_000_000 + len(host)}\n"
    return {
        "tenants": dict.fromkeys(scenario["tenants"].get(host, ()), found),
        "metrics": metrics,
        "metrics_problem": "",
    }


def _records(host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    known = parameters["name"] in scenario["tenants"].get(host, ())
    return {"records": [{"at": 1_795_000_000.0, "what": "it was born", "why": ""}] if known else [], "problems": []}


def _ledger(host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    used = {name: {"running_seconds": 86_400} for name in scenario["tenants"].get(host, ())}
    whole = {"": {"running_seconds": 86_400 * len(used)}}
    return {"days": {parameters["first_day"]: used | whole}, "course": {}, "problem": "", "looked": 0}


def _images(host: str, _parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    container = {"name": f"silo-on-{host}", "image": "docker.io/library/traefik:v3", "digests": [], "state": "running"}
    return {"containers": [container]}


def _templates(_host: str, parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    return {"actions": {one["key"]: "make" for one in parameters["templates"]}}


def _templates_info(_host: str, parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    made_of = {"server": "ghcr.io/i/server:v3", "database": "ghcr.io/i/postgres:14", "vector_extension": "vectorchord"}
    told = {"made_at": "2026-11-30T19:12:00+00:00", "digest": "5" * 64, "size": GIB, "unpacked": 2 * GIB}
    path = f"{parameters['root']}/.templates/0123456789abcdef.tar.zst"
    return {"templates": [{"key": "0123456789abcdef", "made_of": made_of, **told, "path": path}]}


def _diagnostics(host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    found = (_preflight if parameters["selection"] == "preflight" else _verify)(host, parameters, scenario)
    read = parameters.get("file_systems", {}).items()
    return {**found, "parts": {name: _storage_info(host, given, scenario) for name, given in read}}


def _preflight(host: str, _parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    disk = {"path": "/", "size": 100 * GIB, "free": 50 * GIB, "inodes": 65_536, "inodes_free": 60_000}
    firewall = _finding("firewall", host, "wrong", f"{host} has no firewall")
    facts = {"time": 0.0, "synchronised": True, "disks": [disk]}
    return {"findings": [firewall, _finding("nas", host)], "facts": facts}


def _verify(host: str, parameters: Values, scenario: Values) -> dict[str, t.Any]:
    broken = set(scenario["unlike"].get(host, ()))
    subjects = [f"{one['name']}/server" for one in parameters["expected"]["tenants"]]
    findings = [_finding("memory", one, "wrong" if one in broken else "ok") for one in subjects]
    return {"findings": findings, "facts": {}}


def _finding(check: str, subject: str, state: str = "ok", message: str = "") -> dict[str, str]:
    fix = "" if state == "ok" else "run playbooks/site.yml"
    return {"id": check, "subject": subject, "state": state, "message": message, "fix": fix, "expected": "", "seen": ""}


def _tenant_trash(_host: str, parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    return {"changed": True, "tenants": {one["name"]: True for one in parameters["tenants"]}, "problems": {}}


def _storage_trash(_host: str, parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    moved = {"path": "/instances/.trash/it", "files": 7, "bytes": GIB, "limit": GIB, "changes": []}
    tenants = [
        {key: one[key] for key in ("name", "id", "when")} | moved | {"changed": True, "failed": False}
        for one in parameters["tenants"]
    ]
    return {"backend": parameters["backend"], "changed": True, "tenants": tenants}


def _link(_host: str, _parameters: Values, _scenario: Values) -> dict[str, t.Any]:
    return {"changed": True, "summary": "", "expires_at": 2_000_000_000, "reset": False}


ANSWERS: Mapping[str, Answer] = {
    "access_link": _link,
    "diagnostics_info": _diagnostics,
    "server_images_info": _images,
    "storage_quota": _storage,
    "storage_quota_info": _storage_info,
    "storage_trash": _storage_trash,
    "tenant_ledger_info": _ledger,
    "tenant_records_info": _records,
    "tenant_stacks": _stacks,
    "tenant_stacks_info": _stacks_info,
    "tenant_templates": _templates,
    "tenant_templates_info": _templates_info,
    "tenant_trash": _tenant_trash,
    "tenant_usage_info": _usage,
}


def main(name: str, arguments: str) -> None:
    """Be the module `name`, called with `arguments` as Ansible gives them, in JSON."""
    place, host = os.environ["CONTRACT_PLACE"], os.environ["CONTRACT_HOST"]
    given = json.loads(arguments)
    parameters = {key: value for key, value in given.items() if not key.startswith("_ansible")}
    with open(f"{place}/scenario.json", encoding="utf-8") as file:  # noqa: PTH123  # pathlib takes longer than the rest
        scenario = json.load(file)
    away = scenario["away"].get(host)
    answer = {"failed": True, "msg": away} if away else ANSWERS[name](host, parameters, scenario)
    call = {"module": name, "host": host, "check": given["_ansible_check_mode"], "parameters": parameters}
    with open(f"{place}/calls.jsonl", "a", encoding="utf-8") as calls:  # noqa: PTH123
        calls.write(json.dumps({**call, "answer": answer}) + "\n")
    print(json.dumps({"changed": False, **answer}))
