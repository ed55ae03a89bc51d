"""The directions of imports: module_utils <- src/silo <- plugins/{action,inventory,filter}; server/ stands beside."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLLECTION = "ansible_collections.swissphoto.silo."
UTILS, PLUGINS = f"{COLLECTION}plugins.module_utils", f"{COLLECTION}plugins"
PROGRAMS = tuple(path.stem for path in (ROOT / "server").iterdir() if path.stem.startswith("silo_"))
# The folder, and what of ours its files may import; the first folder that holds a file counts.
ALLOWED = {
    "plugins/module_utils": (UTILS,),
    "plugins/modules": (UTILS,),
    "plugins": (UTILS, "silo"),
    "server": (UTILS, *PROGRAMS),
    "src/silo": (UTILS, "silo"),
}
FILES = [(folder, path) for folder in ALLOWED for path in sorted((ROOT / folder).rglob("*.py"))]
# The inventory asks Ansible for the variables of billing, whose names stand in silo.billing.policy.
BACK_UP = {("silo.inventory.reader", "silo.billing.policy")}
OURS = ("silo", PLUGINS, "tests", *PROGRAMS)


def within(name, packages):
    """Whether a module is one of these, or stands in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported(path, root=ROOT):
    """Return the modules that a file imports, with relative names made whole."""
    parts = path.relative_to(root).with_suffix("").parts
    package = ".".join(("ansible_collections", "swissphoto", "silo", *parts) if parts[0] == "plugins" else parts[1:])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = ".".join(package.split(".")[: -node.level]) + "." if node.level else ""
            yield from (f"{up}{node.module or ''}".rstrip(".") + f".{alias.name}" for alias in node.names)


def wrong(folder, path, root=ROOT):
    """Return what of ours a file imports and must not."""
    return [name for name in imported(path, root) if within(name, OURS) and not within(name, ALLOWED[folder])]


def module(path, root=ROOT):
    """Return the name by which a file is imported; a package's is that of its folder."""
    parts = path.relative_to(root).with_suffix("").parts
    parts = ("ansible_collections", "swissphoto", "silo", *parts) if parts[0] == "plugins" else parts[1:]
    return ".".join(parts).removesuffix(".__init__")


def graph_of(paths, root=ROOT):
    """Return each module with those of `paths` that it imports; what is imported for types alone, or late, counts."""
    files = {module(path, root): path for path in paths if path.stem != "__init__"}
    graph = {}
    for name, path in files.items():
        # `from .a import b` may mean the module b, or what the module a has.
        wanted = {one for other in imported(path, root) for one in (other, other.rpartition(".")[0])}
        graph[name] = wanted & files.keys() - {name}
    return graph


def folded(graph):
    """Return the same for the folders just below module_utils, plugins and silo, and for the programs of servers."""

    def folder(name):
        below = next((package.count(".") + 1 for package in (UTILS, PLUGINS, "silo") if within(name, [package])), 0)
        return ".".join(name.split(".")[: below + 1])

    folders = {}
    for name, wanted in graph.items():
        of = {folder(one) for one in wanted if (name, one) not in BACK_UP}
        folders.setdefault(folder(name), set()).update(of - {folder(name)})
    return folders


def circle(graph):
    """Return modules that import each other, in a circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def exits(path):
    """Return the lines on which importing a file may end the process."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if not (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))]
    while blocks:
        node = blocks.pop()
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "os._exit"):
            yield node.lineno
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            blocks += ast.iter_child_nodes(node)


def test_imports_have_one_direction():
    seen, found = set(), {}
    for folder, path in FILES:
        if path not in seen:
            seen.add(path)
            found[str(path.relative_to(ROOT))] = wrong(folder, path)
    assert {path: names for path, names in found.items() if names} == {}
    assert len(seen) > 150


def test_no_modules_import_each_other():
    assert circle(graph_of({path for _folder, path in FILES})) == []


def test_no_folders_import_each_other():
    folders = folded(graph_of({path for _folder, path in FILES}))
    assert len(folders) > 35
    assert circle(folders) == []


def test_a_circle_is_seen_also_one_of_types(tmp_path):
    folder = tmp_path / "plugins" / "module_utils"
    folder.mkdir(parents=True)
    (folder / "one.py").write_text("def work():\n    from . import two\n")
    (folder / "two.py").write_text("import typing\nif typing.TYPE_CHECKING:\n    from .one import Some\n")
    assert {name[-3:] for name in circle(graph_of(folder.iterdir(), tmp_path))} == {"one", "two"}


def test_importing_a_file_never_ends_the_process():
    assert {str(path): lines for _folder, path in FILES if (lines := list(exits(path)))} == {}


def test_there_is_no_third_place_for_shared_code():
    assert not (ROOT / "plugins" / "plugin_utils").exists()


@pytest.mark.parametrize(
    ("folder", "line", "forbidden"),
    [
        ("plugins/module_utils", "from silo import fleet", True),
        ("plugins/module_utils/quota", "from ...action import tenant_edit", True),
        ("plugins/module_utils/quota", "from .base import Quota", False),
        ("plugins/modules", "import silo.tenant.render", True),
        ("plugins/modules", "from ..module_utils.size import parse", False),
        ("plugins/action", "from silo.tenant import render", False),
        ("plugins/filter", "from ..modules import files", True),
        ("src/silo", "from ansible_collections.swissphoto.silo.plugins.action import tenant_edit", True),
        ("src/silo/cli", "from tests import templates", True),
        ("server/silo_access", "from silo_access import pages", False),
        ("server/silo_access", "from silo import fleet", True),
    ],
)
def test_a_wrong_import_is_seen(folder, line, forbidden, tmp_path):
    path = tmp_path / folder / "some.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    rule = next(one for one in ALLOWED if folder.startswith(one))
    assert bool(wrong(rule, path, tmp_path)) == forbidden


def test_an_exit_is_seen_where_it_is_made_at_import(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        "import sys\ntry:\n    import silo\nexcept ImportError:\n    sys.exit(1)\n\n\n"
        "def main():\n    sys.exit(2)\n\n\nif __name__ == '__main__':\n    sys.exit(main())\n"
    )
    assert list(exits(path)) == [5]
