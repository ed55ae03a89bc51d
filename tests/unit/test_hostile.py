"""Hostile tenants, files and command lines, at random: none reaches a machine, none writes outside of its folder.

A hundred of each in every run, 300 in the one of all; there SILO_HOSTILE=3400 makes more than 10,000.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.payload import UNITS, stack
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from silo import cli
from silo.ansible import runner
from silo.inventory import InventoryEditor, InventoryError, editor
from silo.tenant.load import read
from silo.tenant.model import derive
from silo.tenant.render import render
from silo.tenant.schema import TenantError, name_problem, options
from silo.tenant.services import after, compose_file, folders, mounts
from tests.unit.examples import examples

ROOT = Path(__file__).parents[2]
# One inventory serves all examples: each of them has to leave it as it was.
MANY = examples(100, int(os.environ.get("SILO_HOSTILE", "300")), *HealthCheck)
SECRETS = {f"{name}_password": name * 4 for name in ("database", "cache", "admin")}

# What has broken other programs.
PIECES = [
    *("", " ", ".", "..", "/", "-", "--", "-1", "0", "1e999", "NaN", "0x10", "9" * 400, "9" * 400 + "G", "1" * 5000),
    *("../../etc/passwd", "/etc/shadow", "~root", "hans/../anna", "hans.evil.ch", "anna\0", "anna\n", "%00", "*"),
    *("{{ lookup('pipe', 'id') }}", "{{ansible_host}}@a.ch", "{% raw %}", "{#", "!unsafe x", "!vault |", "&a [*a]"),
    *("$(reboot)", "`id`", "${HOME}", "$HOME", "'; DROP TABLE user; --", '"', "\\", "a\\nb", "1T; rm -rf /", "|", "#"),
    *("a@b.ch\nBcc: x@y.ch", "a@b.ch,x@y.ch", "<a@b.ch>", "a@b.ch\r\nTENANT_UID=0", "Europe/Zurich\nTENANT_UID=0"),
    *("-e@/etc/passwd", "--limit=all", "all:!servers", "@all", "servers", "localhost", "silo1", "absent", "www"),
    *("\x1b[31m", "\u202e", "\u0430nna", "\uff41nna", "anna\u200b", "a" * 300, "\ud800", "\x00", "\u2028"),
    *("10.83.0.0/28", "10.83.0.0/0", "::/0", "0.0.0.0/28", "10.83.0.16/28\n", "999.1.1.1/28", "1G", "100G", "-1G"),
]
words = st.one_of(
    st.sampled_from(PIECES),
    st.text(max_size=30),
    st.text("{}%$`'\"\\\n\r\0\x1b/.-@: a\u0430", max_size=12),
    st.tuples(st.sampled_from(PIECES), st.sampled_from(PIECES)).map("".join),
)
plain = st.one_of(
    words, st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from([2**63, -(2**63), 10**30])
)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
# The places of the platform on a server are the operator's, and are no part of what a tenant says.
OF_TENANTS = sorted(name for name, option in options().items() if option["type"] != "path" and name != "tenant_secrets")
keys = st.one_of(st.sampled_from(OF_TENANTS), words.map(lambda word: f"tenant_{word}"))
names = st.one_of(st.just("hans"), words)


def is_sentence(text):
    """Whether people and logs can take it: one line, of a sane length, without a letter that does something."""
    return text.isprintable() and 10 < len(text) < 1000


def safe(path):
    return ".." not in path.parts


@MANY
@given(
    names,
    st.dictionaries(
        st.one_of(st.sampled_from(OF_TENANTS), words.map(lambda word: f"tenant_{word}")), anything, max_size=3
    ),
)
@example("hans", {"tenant_time_zone": "Europe/Zurich\nTENANT_UID=0"})
@example("hans", {"tenant_domain": "a.ch`) || HostRegexp(`.*"})
@example("hans", {"tenant_images": {"server": "a\nTENANT_UID=0", "database": "b", "cache": "c"}})
@example("hans", {"tenant_quota": "9" * 400 + "G"})
@example("hans", {"tenant_address_pool": "nowhere"})
@example("hans", {"tenant_address_pool": "::/0"})
@example("hans", {"tenant_uid_base": -1})
@example("hans", {"tenant_address_pool": None})
@example("hans", {"tenant_images": [None]})
@example("hans", {"tenant_index": 2**63})
@example("hans", {"tenant_index": 16**5000})
@example("hans", {"tenant_configuration": {"a": 16**5000}})
def test_a_tenant_is_refused_by_sentences_or_stays_in_its_own_place(tenant_values, name, changes):
    try:
        tenant = derive(name, tenant_values | changes)
        rendered = render(tenant, SECRETS)
    except TenantError as error:
        assert error.problems
        for problem in error.problems:
            assert is_sentence(problem), problem
        return
    assert name_problem(name) is None
    item = {
        "name": name,
        "host_name": tenant.host_name,
        "state": tenant.state,
        "uid": tenant.uid,
        "template": "0123456789abcdef",  # pragma: allowlist secret  # the key of a set of images
        "photo_server": tenant.photo_server,
        "storage": tenant.storage,
        "disk": tenant.disk,
        "app_quota": tenant.app_quota,
        "email": tenant.email,
        "admin_password": "A",
        "compose": rendered.compose,
        "env": rendered.env,
        "slice": rendered.slice,
        "configuration": rendered.configuration,
        "route": rendered.route,
        "starting": rendered.starting,
        "digests": rendered.digests,
        "secrets": rendered.secrets,
    }
    places = {"directory": "/srv/silo/tenants", "routes_directory": "/srv/silo/traefik/routes"}
    told = {"compose": compose_file(), "mounts": mounts(), "folders": folders(), "after": after()}
    made = stack(item, {**places, "anew": [], "unlimited": [], **told})
    home = Path("/srv/silo/tenants") / name
    disk = Path("/databases") / name
    others = {UNITS / f"silo-{name}.slice", *(disk / folder for folder in folders())}
    for part in (*made.files, *made.directories):
        assert safe(part.path)
        assert part.path == home or part.path.is_relative_to(home) or part.path in others
        assert part.owner in (0, tenant.uid)
    # Neither root nor anybody whom a package makes.
    assert 1000 < tenant.uid < 2**31
    assert made.route.path == Path(f"/srv/silo/traefik/routes/tenant-{name}.yml")
    assert made.starting.path == Path(f"/srv/silo/traefik/routes/starting-{name}.yml")
    assert (made.storage, made.disk) == (Path("/instances") / name, disk)
    keys = [line.partition("=")[0] for line in rendered.env.splitlines() if not line.startswith("#")]
    assert len(keys) == len(set(keys)), "a value has made a line of its own"
    assert f"TENANT_UID={tenant.uid}" in rendered.env.splitlines()
    # Traefik takes the file for a template, and a rule for code.
    for route in (rendered.route, rendered.starting):
        assert not any(mark in route for mark in ("{{", "||", "&& Host"))
    json.loads(rendered.configuration)


@pytest.mark.parametrize("value", [16**5000, object(), {1j: 2}], ids=["digits", "object", "key"])
def test_what_no_file_can_hold_is_refused_by_a_sentence(value):
    with pytest.raises(TenantError, match="hans: its settings cannot be read: ") as refused:
        read("hans", {"hans": {"tenant_configuration": value}})
    assert is_sentence(str(refused.value))


def checksum(root):
    """Over a whole tree, but for what the tool keeps for itself."""
    digest = hashlib.sha256()
    for entry in sorted(root.rglob("*")):
        if ".silo" not in entry.parts and ".silo-edit" not in entry.parts:
            content = entry.read_bytes() if entry.is_file() else b""
            digest.update(f"{entry.relative_to(root)} {entry.lstat().st_mode} ".encode() + content)
    return digest.hexdigest()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with an inventory in it; outside of that nothing may come to be."""
    world = tmp_path_factory.mktemp("world")
    shutil.copytree(ROOT / "tests" / "inventory", world / "inventory")
    return world


class Reached(AssertionError):
    """A machine would have been reached."""


@pytest.fixture
def no_machine(monkeypatch):
    """Runs of Ansible that are counted and not made."""
    runs = []

    def events(playbooks, _inventory, arguments=(), lock=None):
        runs.append((playbooks, tuple(arguments)))
        raise Reached(str(playbooks))

    def merge(*_arguments):
        # All that a command line says was taken for right by now; what Ansible makes of it is asked elsewhere.
        raise InventoryError("the inventory would be asked")

    monkeypatch.setattr(runner, "events", events)
    monkeypatch.setattr(editor.Reader, "merge", merge)
    return runs


NAMED = [["stop"], ["start"], ["set"], ["delete"], ["undelete"], ["purge"], ["reset-access"], ["apply"], ["plan"]]
SETTINGS = ["--email", "--quota", "--plan", "--language", "--nas", "--server-memory", "--cache-memory"]
OPTIONS = ["--confirm", "--month", "--since", "--tenants", "--sort", "--watch"]
# Options that are right, by which a command without a name means all tenants.
RIGHT = re.compile(r"|-[-nyha]*|--(yes|dry-run|help|all|json)")
commands = st.one_of(
    st.tuples(st.just(["create"]), st.lists(words, min_size=3, max_size=3)),
    st.tuples(
        st.sampled_from([*NAMED, ["verify"]]),
        st.lists(words.filter(lambda word: not RIGHT.fullmatch(word)), min_size=1, max_size=1),
    ),
    st.tuples(
        st.just(["set", "anna"]),
        st.tuples(
            st.sampled_from(
                ["--email", "--quota", "--plan", "--language", "--nas", "--server-memory", "--cache-memory"]
            ),
            words,
        ).map(list),
    ),
    st.tuples(
        st.just(["set", "anna"]),
        st.tuples(st.sampled_from(["quota", "log_level", "slice", "email", "environment", "x"]), words).map(
            lambda pair: [f"{pair[0]}={pair[1]}"]
        ),
    ),
    st.tuples(
        st.sampled_from([["delete", "anna"], ["report"], ["stats"], ["capacity"], ["top"], ["purge", "anna"]]),
        st.tuples(st.sampled_from(["--confirm", "--month", "--since", "--tenants", "--sort", "--watch"]), words).map(
            list
        ),
    ),
    st.tuples(st.just([]), st.lists(words, min_size=1, max_size=4)),
)


@MANY
@given(commands, st.booleans())
@example((["create"], ["{{ansible_host}}", "100", "a@b.ch"]), True)
@example((["create"], ["otto", "100", "{{ansible_host}}@a.ch"]), True)
@example((["verify"], ["../anna"]), False)
@example((["apply"], ["all:!servers"]), True)
@example((["stop"], ["\ud800"]), True)
def test_a_command_line_is_refused_and_nothing_is_done(world, no_machine, monkeypatch, command, agreed):
    monkeypatch.chdir(world)
    head, hostile = command
    arguments = ["-i", str(world / "inventory"), *head, *hostile, *(["--yes"] if agreed else [])]
    before = checksum(world)
    no_machine.clear()
    result = CliRunner().invoke(cli.main, arguments, env={"COLUMNS": "200"})
    assert checksum(world) == before
    for playbooks, given_ in no_machine:
        # What only reads may run; nothing of what was typed goes along.
        assert playbooks == "read.yml"
        assert given_[:2] in [("--tags", tags) for tags in ("list", "storage", "stats", "ledger", "stats,ledger")]
        assert not any(word in given_ for word in hostile if len(word) > 2)
    if not no_machine:
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
        assert "Traceback" not in result.output
    if result.exit_code == 2 and "Usage:" not in result.output:
        for line in result.output.splitlines():
            assert line.isprintable(), line


@MANY
@given(st.one_of(words, st.binary(max_size=60), st.dictionaries(words, anything, max_size=3)))
@example("tenant_email: &a [*a]\n")
@example("!!python/object/apply:os.system ['touch owned']\n")
@example("a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n")
@example(b"\xff\xfe\x00")
@example("[" * 500)
@example("0x" + "1" * 5000)
@example("tenant_index: 0x" + "1" * 5000)
def test_a_file_is_refused_by_sentences_and_left_as_it_is(world, content):
    if isinstance(content, dict):
        content = json.dumps(content)
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    file = world / "inventory" / "host_vars" / "otto" / "tenant.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(raw)
    try:
        before = checksum(world)
        try:
            found = InventoryEditor.open(world / "inventory").files.all()
            assert set(found) == {"anna", "otto"}
        except InventoryError as error:
            for problem in error.problems:
                assert is_sentence(problem), problem
        assert checksum(world) == before
    finally:
        file.unlink()
        file.parent.rmdir()
