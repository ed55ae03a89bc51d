"""Help and tables at any width: nothing is cut, and nothing is wider than the terminal."""

import io
import json

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from silo import cli, fleet
from silo.cli import output
from silo.inventory import document

WIDTHS = (20, 40, 80, 200)
LONG = "sub_" + "1QxAbcDefGhi" * 20
ROWS = [
    ("hans", "https://hans.swissphoto.ch", "running", "it is paid, and has a quota of its own in place of a plan"),
    ("写真写真写真写真", "Größe-ÄÖÜ-ééé", "🙂🙂🙂", "先生の写真を見る ことが できます"),
    ("maria", LONG, "not healthy, should be running", "[no such tag] :smile: [/closed] " * 4),
    ("", "", "", ""),
]


@pytest.fixture(scope="module")
def commands():
    context = click.Context(cli.main)
    return {name: cli.main.get_command(context, name) for name in cli.main.list_commands(context)}


def squeezed(text):
    return "".join(text.split())


def printed(rows, width):
    made = output.table("name", "URL", "state", "text")
    for row in rows:
        made.add_row(*row)
    screen = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    screen.print(output.fit(made, screen))
    return screen.file.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[:2]], ids=["all", "plain", "unicode"])
def test_a_table_shows_all_of_each_cell_within_the_terminal(rows, width):
    text = printed(rows, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for row in rows:
        for cell in row:
            for word in cell.split():
                assert word in squeezed(text)


@pytest.mark.parametrize("width", [80, 200])
def test_a_word_that_fits_stays_in_one_line(width):
    lines = printed(ROWS[:2], width).splitlines()
    for word in (word for row in ROWS[:2] for cell in row for word in cell.split()):
        assert any(word in line for line in lines), word


def test_a_table_that_is_too_narrow_for_a_word_has_a_line_for_each_cell():
    lines = printed(ROWS[:1], 40).splitlines()
    assert lines[0].split() == ["name", "hans"]
    assert "https://hans.swissphoto.ch" in squeezed("".join(lines))


def test_without_a_terminal_a_row_is_one_line(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)

    @click.command()
    def show():
        made = output.table("name", "text")
        made.add_row("hans", f"{LONG} {LONG} end")
        output.show(made)

    (line,) = [line for line in CliRunner().invoke(show).output.splitlines() if "hans" in line]
    assert line.split() == ["hans", LONG, LONG, "end"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_help_shows_each_summary_whole(commands, width):
    result = CliRunner().invoke(cli.main, ["--help"], env={"COLUMNS": str(width)})
    assert result.exit_code == 0
    assert max(map(len, result.output.partition("Exit codes")[0].splitlines())) <= min(width, output.WIDEST_HELP)
    body = result.output.partition("Set-up:")[2].partition("Exit codes")[0]
    assert "..." not in body
    for command in commands.values():
        summary = command.help.split("\n\n")[0].partition(". ")[0].rstrip(".")
        assert squeezed(summary) in squeezed(body)


@pytest.mark.parametrize("group", ["billing", "serve"])
def test_help_of_a_group_wraps_too(commands, group):
    result = CliRunner().invoke(cli.main, [group, "--help"], env={"COLUMNS": "40"})
    assert max(map(len, result.output.splitlines())) <= 40
    for command in commands[group].commands.values():
        assert squeezed(command.get_short_help_str(limit=1000)) in squeezed(result.output)


def test_help_groups_the_commands_in_their_order(commands):
    lines = CliRunner().invoke(cli.main, ["--help"], env={"COLUMNS": "80"}).output.splitlines()
    shown = {}
    for line in lines[lines.index("Set-up:") : lines.index("  Exit codes:")]:
        if line.endswith(":") and not line.startswith(" "):
            names = shown.setdefault(line.rstrip(":"), [])
        elif line.startswith("  ") and line[2] != " ":
            names.append(line.split()[0])
    assert shown == {title: list(names) for title, names in cli.GROUPS.items()}
    assert all(commands[name].name == name for name in cli.COMMANDS)


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_a_command_cuts_no_name(path, monkeypatch, width):
    name = "a" * 31
    url, sizes = f"https://{name}.swissphoto.ch", (1,) * 6
    tenant = fleet.TenantStatus(name, url, "running", "stopped", "silo1", "small", *sizes, "v3", "R11", True, "")
    monkeypatch.setattr(fleet, "read", lambda _inventory: fleet.FleetStatus((tenant,)))
    result = CliRunner().invoke(cli.main, ["-i", str(path), "list"], env={"COLUMNS": width})
    assert result.exit_code == 0, result.output
    assert tenant.url in squeezed(result.output)
    assert max(map(len, result.output.splitlines())) <= int(width)


def test_what_yaml_alone_knows_is_json_all_the_same(capsys):
    settings = document.read(
        "x", "a: 2026-11-20\nb: !!set {c}\nd: .nan\ne: !!binary aGk=\nf: {2026-01-01: [.inf]}\n"
    ).settings
    output.as_json({"settings": settings, "on": True, "none": None, "n": 1.5})

    def refuse(word):
        raise AssertionError(word)

    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {
        "settings": {"a": "2026-11-20", "b": ["c"], "d": None, "e": "b'hi'", "f": {"2026-01-01": [None]}},
        "on": True,
        "none": None,
        "n": 1.5,
    }
