"""Bounded by construction: strangers are asked, programs run, files read and written by the few modules made for it.

A new exception needs a reason here, in one line.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UTILS = "plugins/module_utils"
FOLDERS = ("plugins", "server", "src/silo")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]

HTTP = "http_client.py asks: with a deadline, a size, and no redirects"
PROCESS = "process.py runs programs: with a deadline, and a limit of what they say"
JSON = "bounded_json.py reads JSON: of a size and a depth"
WRITE = "files.py writes: atomically, and durable when the call returns"
TREE = "quota/directory_tree.py removes trees: however deep, and through no link"
FOREIGN = "foreign.py reads what somebody else may write"

# What is not to be named, and what does it instead. A name with a dot at its end is a module with all that is in it.
FORBIDDEN = {
    **dict.fromkeys(("http.client.", "urllib.request.", "requests.", "urllib3.", "httpx.", "aiohttp."), HTTP),
    **dict.fromkeys(("ansible.module_utils.urls.", "smtplib.", "ftplib.", "telnetlib.", "xmlrpc."), HTTP),
    **dict.fromkeys(
        ("socket.socket", "socket.create_connection", "socket.socketpair", "asyncio.open_connection"), HTTP
    ),
    "stripe.RequestsClient": HTTP,
    **dict.fromkeys(
        ("subprocess.", "pty.", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"), PROCESS
    ),
    **dict.fromkeys(("os.system", "os.popen", "os.fork", "os.posix_spawn", "os.execv", "os.execve"), PROCESS),
    **dict.fromkeys(("os.replace", "os.rename", "shutil.move", "shutil.copyfile", "shutil.copy"), WRITE),
    "shutil.rmtree": TREE,
}
# Methods that are not to be called, whatever they are called on.
CALLS = {"run_command": PROCESS, "write_text": WRITE, "write_bytes": WRITE, "rename": WRITE}
# On servers; on the controller, JSON of strangers is that of the three modules of STRICT_JSON.
SERVER_ONLY = {"json.loads": JSON, "json.load": JSON}
STRICT_JSON = ("src/silo/diagnostics/address.py", "src/silo/diagnostics/http_ports.py", "src/silo/images/registry.py")

ALLOWED = {
    f"{UTILS}/common/http_client.py": {HTTP: "it is the one"},
    f"{UTILS}/common/process.py": {PROCESS: "it is the one"},
    f"{UTILS}/common/bounded_json.py": {JSON: "it is the one"},
    f"{UTILS}/common/files.py": {WRITE: "it is the one"},
    f"{UTILS}/command.py": {PROCESS: "Ansible's own way, for tools of the server that say nothing of a tenant's"},
    f"{UTILS}/access/pty_session.py": {PROCESS: "a dialogue at a terminal; it has a deadline and a limit of its own"},
    f"{UTILS}/common/systemd.py": {
        HTTP: "a word to systemd's socket, without an answer",
        WRITE: "the last messages; a power cut costs one repeated line",
    },
    f"{UTILS}/tenant/lending.py": {WRITE: "a word to the kernel, in a file of its own"},
    f"{UTILS}/diagnostics/edge.py": {HTTP: "half a request to Traefik, of whose answer it takes 64 bytes"},
    f"{UTILS}/diagnostics/connectivity.py": {HTTP: "it tries connections, all at once, and reads nothing from them"},
    "plugins/modules/files.py": {PROCESS: "the validation of a file that the operator's role names"},
    "plugins/action/tenant_edit.py": {JSON: "a copy of what Ansible has given, on the controller"},
    "server/silo_access/photo_server.py": {HTTP: "asynchronous; it has a deadline, a size, no redirects, no unpacking"},
    "server/silo_access/website.py": {HTTP: "the session of photo_server.py, and the web server"},
    "server/silo_access/__main__.py": {HTTP: "the web server"},
    "src/silo/ansible/runner.py": {
        PROCESS: "Ansible's runs, line by line, as long as they take",
        HTTP: "a pair of sockets between two processes of ours",
    },
    "src/silo/ansible/playbook_process.py": {HTTP: "the other end of the pair"},
    "src/silo/inventory/reader.py": {PROCESS: "a process of ours that answers several questions, each with a deadline"},
    "src/silo/inventory/transaction.py": {TREE: "the desk, in a folder of the operator's"},
    "src/silo/setup/repository.py": {TREE: "what a killed run left, in a folder of the operator's"},
    "src/silo/notifications/relay.py": {HTTP: "SMTP, to the operator's own relay"},
    "src/silo/state.py": {WRITE: "a .gitignore, which the next run writes again"},
}

# Modules whose files lie where somebody else may write; they read them by foreign.py and in no other way.
FOREIGN_READERS = (
    "server/silo_proxy.py",
    f"{UTILS}/access/issue.py",
    f"{UTILS}/tenant/major.py",
    f"{UTILS}/tenant/template.py",
    "src/silo/billing/checkout/link_requests.py",
)
READS = ("open", "read_text", "read_bytes", "exists", "is_file", "stat")
# A directory of root's, of which only the kind counts.
FOREIGN_ALLOWED = {
    f"{UTILS}/access/issue.py": {"stat": "the owner of the directory itself"},
    f"{UTILS}/tenant/major.py": {"read_text": "root's own record", "is_file": "root's own record"},
    f"{UTILS}/tenant/template.py": {"stat": "the size of a template, which is then unpacked by its digest"},
    "src/silo/billing/checkout/link_requests.py": {"exists": "the checkout looks for a file of its own"},
}


def dotted(node):
    """Return the name of an attribute of a name, such as os.path.join; empty for any other expression."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def names(tree):
    """Yield each dotted name that a module uses, by the modules that it imports, with its line."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                yield f"{alias.name}.", node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield f"{node.module}.", node.lineno
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield f"{node.module}.{alias.name}", node.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, _dot, rest = dotted(node).partition(".")
            if first in known:
                yield f"{known[first]}.{rest}", node.lineno


def calls(tree):
    """Yield the name of each method that is called, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node.lineno


def opens_to_write(tree):
    """Yield the lines on which a file is opened for writing by open() or the method of a path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_os = dotted(node.func).startswith("os.")
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if function == "open" and not of_os and any(set(text) & set("wax+") and len(text) < 4 for text in texts):
                yield node.lineno


def is_named(name, forbidden):
    return name == forbidden or (forbidden.endswith(".") and name.startswith(forbidden))


def problems(path, root=ROOT):
    """Return what a file does that another module is there for: a line, a name, and what does it instead."""
    place = str(path.relative_to(root))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    on_server = not place.startswith("src/") or place in STRICT_JSON
    rules = FORBIDDEN | (SERVER_ONLY if on_server else {})
    found = [(line, name, why) for name, line in names(tree) for one, why in rules.items() if is_named(name, one)]
    found += [(line, name, CALLS[name]) for name, line in calls(tree) if name in CALLS]
    found += [(line, "open", WRITE) for line in opens_to_write(tree)]
    return [one for one in found if one[2] not in ALLOWED.get(place, {})]


def test_there_is_no_other_way():
    found = {str(path.relative_to(ROOT)): some for path in FILES if (some := problems(path))}
    assert found == {}


def test_no_exception_is_left_over():
    for place, reasons in ALLOWED.items():
        path = ROOT / place
        tree = ast.parse(path.read_text(encoding="utf-8"))
        rules = FORBIDDEN | SERVER_ONLY
        used = {why for name, _line in names(tree) for one, why in rules.items() if is_named(name, one)}
        used |= {CALLS[name] for name, _line in calls(tree) if name in CALLS} | {WRITE for _ in opens_to_write(tree)}
        if place.endswith("/files.py") and "common" in place:
            used.add(WRITE)
        assert set(reasons) <= used, place


@pytest.mark.parametrize("place", FOREIGN_READERS)
def test_what_lies_where_others_write_is_read_in_one_way(place):
    tree = ast.parse((ROOT / place).read_text(encoding="utf-8"))
    found = {name for name, _line in calls(tree) if name in READS} - set(FOREIGN_ALLOWED.get(place, {}))
    assert found == set(), FOREIGN
    assert any(dotted(node) == "foreign.read" for node in ast.walk(tree) if isinstance(node, ast.Attribute))


@pytest.mark.parametrize(
    ("folder", "code", "seen"),
    [
        ("server", "import http.client", True),
        ("server", "import http\nhttp.HTTPStatus.OK", False),
        ("server", "from urllib.request import urlopen", True),
        ("server", "import urllib.parse\nurllib.parse.quote('a')", False),
        ("src/silo", "import requests as r", True),
        ("src/silo", "import socket as s\ns.create_connection(('a', 1))", True),
        ("src/silo", "import socket\nsocket.gethostname()", False),
        ("src/silo", "from subprocess import run", True),
        (UTILS, "import os\nos.system('a')", True),
        (UTILS, "def f(module):\n    module.run_command('a')", True),
        (UTILS, "from ansible.module_utils.urls import open_url", True),
        (UTILS, "import json\njson.loads('1')", True),
        (UTILS, "import json\njson.dumps(1)", False),
        ("src/silo", "import json\njson.loads('1')", False),
        (UTILS, "import shutil\nshutil.rmtree('a')", True),
        (UTILS, "def f(path):\n    path.write_text('a')", True),
        (UTILS, "def f(path):\n    with path.open('wb') as file:\n        pass", True),
        (UTILS, "def f(path):\n    with path.open('rb') as file:\n        pass", False),
        (UTILS, "import os\nos.rename('a', 'b')", True),
    ],
)
def test_another_way_is_seen(folder, code, seen, tmp_path):
    path = tmp_path / folder / "some.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"{code}\n")
    assert bool(problems(path, tmp_path)) == seen
