"""What a document names exists: links, files, commands, options, make targets, settings, metrics, units, exit codes."""

import ast
import functools
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from ansible.cli.playbook import PlaybookCLI

from tools import reference

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests" / "lab" / "images" / "README.md"])
# The changelog also names what is gone; only its links are checked.
PRESENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
GENERATED = ("docs/reference/cli.md", "docs/reference/settings.md")

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
PATH = re.compile(r"(?<![\w./~$<:{}@-])(?:[\w.*<>{},-]+/)*[\w.*<>{},-]+/?(?![\w/])")
# Files by name alone: those of these kinds that this repository has.
KINDS = (".py", ".yml", ".yaml", ".j2", ".cfg", ".toml")
PLACEHOLDER = re.compile(r"<[\w-]+>")
OPTION = re.compile(r"--?[a-z][a-z0-9-]*")
SETTING = re.compile(r"(?<![\w./$:-])(?!host_vars\b)([a-z]+(?:_[a-z0-9]+)+)(?![\w*/(-]|\.\w|:\w)")
SEPARATOR = re.compile(r"\s*(?:;|&&|\|)\s*")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")

# Names that look like a setting and are none, each with its reason.
NO_SETTING = {
    "silo_firewall": "a table of nftables",
}
# Files that are not in the repository, each with its reason.
NO_FILE = {
    "vault.yml": "an apply creates it in an inventory",
    "billing.yml": "the operator creates it in an inventory",
    "tests/vm/proved.json": "a run of the virtual machines writes it, and it is committed then",
}


def name(path):
    return path.relative_to(ROOT).as_posix()


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=name)


class Document:
    """A page: its prose without code, its spans of code, and its blocks of code by language."""

    def __init__(self, text):
        self.blocks = [(found[2], found[3]) for found in FENCE.finditer(text)]
        rest = FENCE.sub("", text)
        self.spans = [" ".join(span.split()) for span in CODE.findall(rest)]
        self.prose = CODE.sub("", rest)
        self.text = text

    @property
    def code(self):
        return [*self.spans, *(text for _language, text in self.blocks)]

    @property
    def commands(self):
        """Words of each command: a span, or a line of a block for a shell; several on a line are several."""
        # The help of the command line is no shell, but its examples are commands.
        lines = [line for language, text in self.blocks if language in ("console", "text") for line in joined(text)]
        for line in [*lines, *self.spans]:
            for part in SEPARATOR.split(re.sub(r"\s+#.*$", "", line.strip())):
                try:
                    words = shlex.split(part)
                except ValueError:
                    continue
                while words and ASSIGNMENT.fullmatch(words[0]):
                    words.pop(0)
                if words:
                    yield words


def joined(text):
    return text.replace("\\\n", " ").splitlines()


@functools.cache
def document(path):
    return Document(path.read_text(encoding="utf-8"))


def slugs(path):
    """The anchors that GitHub makes of the headings."""
    found = {}
    for title in re.findall(r"^#+ +(.*?) *$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = found.get(slug, 0)
        found[slug] = number + 1
        yield f"{slug}-{number}" if number else slug


@functools.cache
def files():
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    return frozenset(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n"))


def demand(path, *checks):
    """Fail with all that the checks find, a line each."""
    found = [problem for check in checks for problem in check(path)]
    assert not found, "\n".join([f"{name(path)} names what does not exist:", *found])


# Links


def broken_links(path):
    for target in LINK.findall(document(path).prose):
        if re.match(r"[a-z]+:", target):
            continue
        file, _hash, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        if not place.exists():
            yield f"{target}: there is no such file"
        elif anchor and anchor not in slugs(place):
            yield f"{target}: {place.name} has no such heading"


@by_name(DOCUMENTS)
def test_links_lead_somewhere(path):
    demand(path, broken_links)


def test_every_page_is_listed_in_the_table_of_documents():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(document(index).prose)}
    assert [name(path) for path in ROOT.glob("docs/**/*.md") if path != index and path not in listed] == []


# Files


def expanded(path):
    """The patterns that a path with {a,b} or <placeholder> stands for."""
    if found := re.search(r"\{([^{}]*)\}", path):
        return [one for word in found[1].split(",") for one in expanded(path.replace(found[0], word, 1))]
    return [PLACEHOLDER.sub("*", path)]


@functools.cache
def directories():
    """Those at the top of the repository."""
    return frozenset(file.split("/")[0] for file in files() if "/" in file)


@functools.cache
def is_there(path):
    """Whether a path of the repository exists; None where it is none of the repository's."""
    first, _slash, rest = path.partition("/")
    if path in NO_FILE:
        return None
    if rest or path.endswith("/"):
        if first not in directories() or "://" in path:
            return None
        # An inventory of the operator's own, and what it says of its groups.
        if re.match(r"inventory/(?!demo\b|example\b)\S|group_vars/(servers|nas)\b", path):
            return None
        return any(ROOT.glob(path.rstrip("/")))
    if not path.endswith(KINDS) or path.startswith("."):
        return None
    pattern = re.compile(re.escape(path).replace(r"\*", "[^/]*"))
    return any(pattern.fullmatch(file.rpartition("/")[2]) for file in files())


def missing_files(path):
    for code in document(path).code:
        for word in PATH.findall(code):
            for one in expanded(word.rstrip(".,")):
                if is_there(one) is False:
                    yield f"`{word}`: there is no such file in the repository"


@by_name(PRESENT)
def test_files_exist(path):
    demand(path, missing_files)


# Commands and options


@functools.cache
def commands():
    """The commands of silo by their words, each with its options: name to whether a value follows."""
    found = {}
    for context in reference.contexts(reference.root_command(), "silo"):
        options = {}
        for parameter in context.command.get_params(context):
            if isinstance(parameter, click.Option):
                takes = not (parameter.is_flag or parameter.count)
                options |= dict.fromkeys([*parameter.opts, *parameter.secondary_opts], takes)
        found[tuple(context.command_path.split()[1:])] = options
    return found


@functools.cache
def playbook_options():
    cli = PlaybookCLI(["ansible-playbook"])
    cli.init_parser()
    return frozenset(option for action in cli.parser._actions for option in action.option_strings)


def wrong_silo(words):
    """What is wrong with the words behind `silo`; nothing where it is right."""
    path, options, rest = (), commands()[()], list(words)
    while rest:
        word = rest.pop(0)
        if OPTION.match(word) and word != "-":
            option, equals, _value = word.partition("=")
            if option not in options:
                return f"`silo {' '.join(path)}` has no option {option}"
            if options[option] and not equals and rest:
                rest.pop(0)
        elif (*path, word) in commands():
            path = (*path, word)
            options = commands()[path]
        elif not path and re.fullmatch(r"[a-z][a-z-]*", word):
            return f"`silo` has no command {word}"
        elif path and any(one[:-1] == path for one in commands()) and re.fullmatch(r"[a-z][a-z-]*", word):
            return f"`silo {' '.join(path)}` has no command {word}"
    return ""


def wrong_commands(path):
    for words in document(path).commands:
        if words[0] == "silo" and (wrong := wrong_silo(words[1:])):
            yield f"`{' '.join(words)}`: {wrong}"
        if words[0] == "ansible-playbook":
            for word in words[1:]:
                if OPTION.match(word) and word.partition("=")[0] not in playbook_options():
                    yield f"`{' '.join(words)}`: ansible-playbook has no option {word}"


def unknown_options(path):
    """Options that stand alone in a span; one of a command is checked with it."""
    known = {option for options in commands().values() for option in options} | playbook_options()
    for span in document(path).spans:
        word = span.split()[0].partition("=")[0]
        if re.fullmatch(r"--[a-z][a-z-]*", word) and word not in known:
            yield f"`{span}`: neither a command of silo nor ansible-playbook has this option"


@by_name(PRESENT)
def test_commands_and_options_exist(path):
    demand(path, wrong_commands, unknown_options)


def make_targets():
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def unknown_targets(path):
    for words in document(path).commands:
        if words[0] == "make":
            for word in words[1:]:
                if not ASSIGNMENT.fullmatch(word) and word not in make_targets():
                    yield f"`{' '.join(words)}`: the Makefile has no target {word}"


@by_name(PRESENT)
def test_make_targets_exist(path):
    demand(path, unknown_targets)


# Settings


def keys(value):
    """All keys of nested mappings."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield str(key)
            yield from keys(below)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


@functools.cache
def settings():
    """Every name of a setting, a module or a plugin, a metric, and a variable that a playbook takes."""
    declared = [ROOT.glob("roles/*/meta/argument_specs.yml"), ROOT.glob("roles/*/defaults/main.yml")]
    declared += [ROOT.glob("group_vars/**/*.yml"), ROOT.glob("inventory/*/**/*.yml")]
    found = {key for paths in declared for path in paths if path.name != "vault.yml" for key in keys(read(path))}
    found |= {path.stem for path in ROOT.glob("plugins/*/*.py")} | {path.name for path in ROOT.glob("roles/*")}
    for path in [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/tenant/tasks/*.yml")]:
        found |= set(re.findall(r"\b(?:verify|ledger|trash|access)_\w+", path.read_text(encoding="utf-8")))
        found |= set(re.findall(r"(?:groups|hosts): (\w+)", path.read_text(encoding="utf-8")))
    return frozenset(found | metrics())


def metrics():
    """The metrics that our own programs tell, and those that the alerts read."""
    (exposition,) = ROOT.glob("plugins/module_utils/**/exposition.py")
    tree = ast.walk(ast.parse(exposition.read_text(encoding="utf-8")))
    ours = {node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    rules = (ROOT / "roles" / "monitoring" / "files" / "silo.rules.yml").read_text(encoding="utf-8")
    found = {text for text in ours if re.fullmatch(r"silo_\w+", text)}
    return found | set(re.findall(r"\bsilo_\w+", rules)) | billing_metrics() | learning_metrics()


def learning_metrics():
    """Those that the gate before the machine learning tells."""
    text = (ROOT / "server" / "silo_learning_gate" / "counts.py").read_text(encoding="utf-8")
    return set(re.findall(r"# TYPE (silo_\w+)", text))


def billing_metrics():
    """Those that the webhook server tells, under the names by which Prometheus knows them."""
    found = set()
    for path in (ROOT / "src" / "silo" / "billing").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= {
            f"{metric}_total" if kind == "Counter" else metric
            for kind, metric in re.findall(r'\b(Counter|Histogram|GaugeMetricFamily|Gauge)\(\s*"(silo_\w+)"', text)
        }
    return found


def prefixes():
    return {"silo", *(path.name.partition("_")[0] for path in ROOT.glob("roles/*"))}


def unknown_settings(path):
    for code in document(path).code:
        for word in SETTING.findall(code):
            if word.partition("_")[0] in prefixes() and word not in settings() and word not in NO_SETTING:
                yield f"`{word}`: no role, group_vars or playbook has this setting"


@by_name(PRESENT)
def test_settings_exist(path):
    demand(path, unknown_settings)


def unknown_variables(path):
    """Variables of the environment; who reads one has its name somewhere in the code."""
    for word in sorted({word for code in document(path).code for word in re.findall(r"\bSILO_[A-Z_]+\b", code)}):
        command = (
            "git",
            "grep",
            "--quiet",
            "--word-regexp",
            word,
            "--",
            "src",
            "tools",
            "tests/e2e",
            "tests/lab",
            "tests/tiers",
        )
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            yield f"`{word}`: nothing reads this variable"


@by_name(PRESENT)
def test_variables_of_the_environment_exist(path):
    demand(path, unknown_variables)


# References that nobody generates


def rows(path, column=0):
    """The first words in code of each row of a page's tables."""
    for line in document(path).text.splitlines():
        if line.startswith("|") and (found := CODE.findall(line.split("|")[column + 1])):
            yield from found


def test_the_reference_of_metrics_has_each_metric_that_we_tell():
    told = set(rows(ROOT / "docs" / "reference" / "metrics.md"))
    recorded = {metric for metric in metrics() if not re.search(r"\b(?:share|rate5m)\b", metric)}
    assert told == recorded


def test_the_table_of_alerts_has_each_alert():
    rules = read(ROOT / "roles" / "monitoring" / "files" / "silo.rules.yml")
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    page = (ROOT / "docs" / "operate" / "accounting.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| ([A-Z]\w+) \|", page, re.MULTILINE))
    # `silo alerts` itself tells that a host does not answer.
    assert told == alerts | {"PrometheusSilent"}


def test_the_reference_of_units_has_each_unit():
    page = (ROOT / "docs" / "reference" / "server-files.md").read_text(encoding="utf-8")
    units = {path.name.removesuffix(".j2") for path in ROOT.glob("roles/*/templates/silo-*.*.j2")}
    timers = read(ROOT / "roles" / "controller" / "vars" / "main.yml")["__controller_timers"]
    units |= {f"{timer['name']}.{kind}" for timer in timers for kind in ("service", "timer")}
    assert {unit for unit in units if f"`{unit}`" not in page} == set()


def test_the_reference_of_exit_codes_has_each_code():
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE))
    assert told == set(re.findall(r"^\s+(\d+)  ", reference.root_command().epilog or "", re.MULTILINE))


# Style


@by_name([path for path in DOCUMENTS if name(path) not in GENERATED and "tests" not in path.relative_to(ROOT).parts])
def test_no_line_is_longer_than_120_characters_but_those_of_tables(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


@by_name(DOCUMENTS)
def test_no_page_speaks_of_how_it_came_about(path):
    """Readers do not have our tracker."""
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"\b[Ii]ssues? #?\d+|(?<!\w)#\d+", text) == []


def test_short_documents_stay_short():
    limits = {ROOT / "CONTRIBUTING.md": 120, **{path: 40 for path in ROOT.glob("docs/decisions/*.md")}}
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in limits}
    assert {path: length for path, length in lengths.items() if length > limits[ROOT / path]} == {}


# The checks themselves: each finds what is broken, and says where


def page(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("check", "text", "message"),
    [
        (broken_links, "[a](gone.md)", "gone.md: there is no such file"),
        (missing_files, "`roles/nas/gone.yml`", "`roles/nas/gone.yml`: there is no such file in the repository"),
        (missing_files, "`src/{silo,gone}`", "`src/{silo,gone}`: there is no such file in the repository"),
        (missing_files, "`gone.py`", "`gone.py`: there is no such file in the repository"),
        (
            missing_files,
            "```console\npython tools/gone.py\n```",
            "`tools/gone.py`: there is no such file in the repository",
        ),
        (wrong_commands, "`silo lift hans`", "`silo lift hans`: `silo` has no command lift"),
        (wrong_commands, "`silo billing gone`", "`silo billing gone`: `silo billing` has no command gone"),
        (wrong_commands, "`silo stop hans --paid`", "`silo stop hans --paid`: `silo stop` has no option --paid"),
        (wrong_commands, "```console\nsilo list; silo top --x\n```", "`silo top --x`: `silo top` has no option --x"),
        (
            wrong_commands,
            "`ansible-playbook playbooks/site.yml --dry`",
            "`ansible-playbook playbooks/site.yml --dry`: ansible-playbook has no option --dry",
        ),
        (unknown_variables, "`SILO_GONE`", "`SILO_GONE`: nothing reads this variable"),
        (unknown_options, "`--gone`", "`--gone`: neither a command of silo nor ansible-playbook has this option"),
        (unknown_targets, "`KEEP=1 make gone`", "`make gone`: the Makefile has no target gone"),
        (unknown_settings, "`tenant_gone`", "`tenant_gone`: no role, group_vars or playbook has this setting"),
        (
            unknown_settings,
            "```yaml\nnas_gone: 1\n```",
            "`nas_gone`: no role, group_vars or playbook has this setting",
        ),
    ],
)
def test_a_page_that_names_what_is_not_there_is_found(tmp_path, check, text, message):
    assert list(check(page(tmp_path, text))) == [message]


def test_a_heading_that_is_not_there_is_found(tmp_path):
    path = page(tmp_path, "# One `two` three\n\n[a](#one-two-three) [b](page.md#four)\n")
    assert list(broken_links(path)) == ["page.md#four: page.md has no such heading"]


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (broken_links, "[a](https://example.ch/gone) `[b](gone.md)`"),
        (missing_files, "`inventory/production/group_vars/all/billing.yml` `/srv/silo/tenants/hans` `.lab/inventory`"),
        (missing_files, "`plugins/{action,filter}` `group_vars/plan_<plan>.yml` `playbooks/tenant-*.yml`"),
        (wrong_commands, "`silo -i inventory/production list` `silo set hans --quota 500G` `silo stop`"),
        (unknown_options, "`--limit` `--dry-run`"),
        (unknown_targets, '`make bench BENCH="--only 1"` `make lab-down demo`'),
        (unknown_settings, "`tenant_quota` `silo_*` `storage_quota` `host_vars` `silo_tenant_memory_bytes`"),
    ],
)
def test_a_page_that_names_what_is_there_passes(tmp_path, check, text):
    assert not list(check(page(tmp_path, text)))


# What documents say of all commands, versions and units


def test_a_version_is_one_and_the_changelog_has_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    latest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert (read(ROOT / "galaxy.yml")["version"], latest and latest[1]) == (project, project)


def test_the_role_of_the_controller_says_each_timer():
    """Its description was one of three timers when there were four."""
    timers = read(ROOT / "roles" / "controller" / "vars" / "main.yml")["__controller_timers"]
    specs = read(ROOT / "roles" / "controller" / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    told = " ".join(specs["description"])
    commands = [timer["command"].replace("--no-commit ", "").split(" {{")[0].strip() for timer in timers]
    assert [command for command in commands if f"C(silo {command})" not in told] == []
    page = (ROOT / "docs" / "start" / "first-server.md").read_text(encoding="utf-8")
    assert [timer["name"] for timer in timers if f"| `{timer['name']}` |" not in page] == []


def test_what_the_removal_of_a_server_stops_is_all_that_a_server_runs():
    """Of the roles of servers and NAS; those of the controller have timers and services of their own."""
    (play,) = read(ROOT / "playbooks" / "uninstall.yml")
    of_controller = ("billing", "controller")
    units = {
        path.name.removesuffix(".j2")
        for path in ROOT.glob("roles/*/templates/silo-*.*.j2")
        if path.parents[1].name not in of_controller
    }
    assert set(play["vars"]["__uninstall_units"]) == units
    users = {
        task["ansible.builtin.user"]["name"]
        for path in ROOT.glob("roles/*/tasks/*.yml")
        if path.parents[1].name not in of_controller
        for task in read(path)
        if "ansible.builtin.user" in task
    }
    assert set(play["vars"]["__uninstall_users"]) == users


# `plan` shows what `apply` would do, and what ends with an answer of Stripe edits nothing here.
EDITING = ("create", "set", "stop", "start", "delete", "undelete", "purge", "names", "reset-access", "apply", "extend")


@pytest.mark.parametrize("name", EDITING)
def test_commands_that_edit_can_be_tried(name):
    """docs/operate/every-day.md says that they accept --dry-run."""
    assert "--dry-run" in commands()[(name,)]
