"""Whatever a tenant, a customer or Stripe wrote: it does nothing to a terminal, a table, a log, JSON or CSV."""

import ast
import csv
import dataclasses
import io
import json
import logging
import sys

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from rich.console import Console

from silo import cli, fleet, images
from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.ansible.pruned_json import pruned
from silo.billing import compare
from silo.billing.inbox import Inbox
from silo.billing.stripe.events import Event
from silo.cli import output, progress, reconcile
from silo.diagnostics import Finding, preflight
from silo.diagnostics import verify as verification
from silo.notifications import LetterError
from silo.notifications.outbox import LetterRecord
from silo.reports import alerts, report, usage
from silo.tenants import TenantService
from tests.unit.examples import examples
from tests.unit.forks import ROOT

MANY = examples(10, 300, *HealthCheck)
# What acts on terminals, on rich's markup, on spreadsheets, or makes a line look like another one.
HOSTILE = [
    "\x1b[2J\x1b[H",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]0;title\x07",
    "[/x]",
    "[bold red]ok[/]",
    "[link=https://evil.example]x[/link]",
    ":smile:",
    "ok\nwrong    tls, hans: forged",
    "a\r\nb",
    "\x85\u2028\u2029\x0b\x0c\x1c",
    "\u202e\u2066abc\u2069",
    "z\u200bw\u200d\ufeff\u00ad",
    "\u3164\u115f\ufe0f\U000e0041",
    "\x00\x07\x08\x7f\x9b31m",
    "\ud800",
    "=HYPERLINK(1)",
    "x" * 20_000,
]
hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), st.lists(st.sampled_from(HOSTILE)).map("".join))


# Click begins a message with "Error: ", and a log the lines of an error with "| ".
LONGEST = output.LONGEST_LINE + len("Error: ")


def harmless(text, longest=LONGEST):
    """Whether a terminal shows a text as it is: lines of printable letters, none without end."""
    return all(line == printable(line, longest) for line in text.split("\n"))


def told(arguments, path="nowhere"):
    result = CliRunner().invoke(cli.main, ["-i", str(path), *arguments], env={"COLUMNS": "120"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    # What is for machines is not cut.
    assert harmless(result.output, 10**6 if {"--json", "--csv"} & set(arguments) else LONGEST)
    return result


@given(hostile, st.integers(0, 300))
@example("\u202eabc", 3)
def test_what_is_printable_is_one_bounded_line_on_which_nothing_acts(text, limit):
    found = printable(text, limit)
    assert len(found) <= limit
    assert found.isprintable()
    assert not set(found) & set("\u3164\u115f\ufe0f\u2800\u034f")
    assert printable(found, limit) == found


def test_what_is_harmless_is_left_as_it_is_and_what_is_not_can_be_seen():
    for text in ("", "Größe, 写真 🙂", "[/x] \\x1b"):
        assert printable(text) == text
    assert printable("\x1b[2J\u202e\n") == "\\x1b[2J\\u202e "
    assert printable("x" * 300) == "x" * 197 + "..."


# One way out, by construction

HOME = ROOT / "src" / "silo" / "cli" / "output.py"
# These answer a program that started them, by JSON.
PROGRAMS = {"_reader.py", "_vault.py"}
# This one writes to such a program.
ASKS = {"reader.py"}
PRINTS = {"print", "echo", "secho", "echo_via_pager", "confirm", "prompt", "basicConfig", "Console", "from_markup"}
STREAMS = {"sys.stdout", "sys.stderr", "click.style", "click.get_text_stream"}


def other_ways(source):
    """Yield each place of a module that prints by itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            yield from (f"imports {name}" for name in names if name.partition(".")[0] == "rich")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in PRINTS and not called.startswith(("output.", "screen.", "self.console.")):
                yield called
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in STREAMS:
            yield ast.unparse(node)


def test_nothing_is_printed_but_by_the_one_module_that_makes_it_printable():
    found = {
        path.name: ways
        for path in (ROOT / "src" / "silo").rglob("*.py")
        if path != HOME and path.name not in PROGRAMS | ASKS and (ways := list(other_ways(path.read_text())))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "print(x)",
        "click.echo(x)",
        "from click import echo\necho(x)",
        "import rich",
        "from rich.console import Console",
        "click.confirm(x)",
        "sys.stdout.write(x)",
        "logging.basicConfig()",
        "Text.from_markup(x)",
    ],
)
def test_another_way_is_found(source):
    assert list(other_ways(source))


def test_a_letter_is_made_by_the_one_module_that_makes_it_printable():
    """Its subject stands in one place too."""
    sources = {path.name: path.read_text() for path in (ROOT / "src" / "silo").rglob("*.py")}
    assert {name for name, text in sources.items() if "Rendered(" in text} == {"letter.py"}
    assert {name for name, text in sources.items() if '["Subject"]' in text} == {"message.py"}


# Every command's output


def of_text(kind, text, **others):
    """An object of a dataclass whose texts are all this one, and whose numbers are 1."""
    values = {"str": text, "int": 1, "float": 1.0, "bool": True}
    made = {}
    for field in dataclasses.fields(kind):
        name = str(field.type).partition(" | ")[0]
        made[field.name] = others.get(field.name, values.get(name))
    return kind(**{key: value for key, value in made.items() if value is not None})


@MANY
@given(hostile)
@example("[/x]")
def test_list_and_show(path, monkeypatch, text):
    monkeypatch.setattr(
        fleet, "read", lambda _inventory: fleet.FleetStatus((of_text(fleet.TenantStatus, text, name="anna"),))
    )
    # What is wrong with its settings is the text.
    assert told(["list"], path).exit_code == bool(text)
    assert told(["show", "anna"], path).exit_code == bool(text)
    (one,) = json.loads(told(["list", "--json"], path).stdout)["tenants"]
    assert one["url"] == text


@MANY
@given(hostile)
@example("ok\nwrong    tls, hans: forged")
def test_check_and_verify(path, monkeypatch, text):
    found = [Finding(text, text, "wrong", text, text, text, text)]
    monkeypatch.setattr(verification, "verify", lambda *_arguments: found)
    monkeypatch.setattr(TenantService, "outbox", None)
    monkeypatch.setattr(preflight, "run", lambda *_arguments: preflight.Preflight(tuple(found)))
    for command in ("verify", "check"):
        result = told([command], path)
        assert result.exit_code == 1
        # A forged finding would begin a line.
        assert not any(line.startswith("wrong    tls") for line in result.output.split("\n"))
        assert json.loads(told([command, "--json"], path).stdout)["findings"][0]["message"] == text


@MANY
@given(hostile)
def test_alerts_and_the_letter_on_them(path, monkeypatch, text):
    one = of_text(alerts.Alert, text)
    found = alerts.Crossings((one,), (one,), (one,))
    monkeypatch.setattr(alerts, "look", lambda _service, leaves_sign: found)
    told(["alerts", "-n"], path)
    told(["alerts", "-n", "--json"], path)


@MANY
@given(hostile)
@example("=HYPERLINK(1)")
def test_stats_and_report(path, monkeypatch, text):
    used = usage.Usage(
        (usage.TenantUsage(name=text, server=text, desired=text, observed=text, since=text),),
        usage.Totals(tenants=1),
        (text,),
    )
    monkeypatch.setattr(usage, "read", lambda _inventory: used)
    monkeypatch.setattr(usage, "of", lambda _results: used)
    monkeypatch.setattr(runner, "events", lambda *_arguments, **_more: ())
    told(["stats"], path)
    told(["stats", "--json"], path)
    rows = list(csv.reader(io.StringIO(told(["stats", "--csv"], path).output)))
    assert not any(cell.startswith(output.FORMULA) for row in rows for cell in row)
    day = report.today()
    counted = report.report(report.Period(day, day), {"silo1": {"days": {}, "problem": text}})
    monkeypatch.setattr(report, "read", lambda *_arguments: counted)
    for more in ([], ["--csv"], ["--json"]):
        told(["report", *more], path)


@MANY
@given(hostile)
def test_what_ansible_says(path, runs, monkeypatch, text):
    verdict = {TaskId.VERDICT: {"silo1": {"msg": text}}, TaskId.ORPHANS: {"silo1": {"msg": [text]}}}
    monkeypatch.setattr(TenantService, "plan", lambda *_arguments, **_more: verdict)
    assert told(["plan"], path).exit_code == 0
    assert told(["plan", "--json"], path).exit_code == 0

    def fail(_inventory):
        raise runner.RunError(text)

    monkeypatch.setattr(fleet, "read", fail)
    assert told(["list"], path).exit_code == 1


@MANY
@given(hostile)
def test_letters(path, monkeypatch, text):
    class Outbox:
        def deliver(self, at_once):
            raise LetterError(text)

        def states(self):
            return {f"created/{text}/1": ("failed", text)}

        def lost(self):
            return (LetterRecord(f"created/{text}/1", "failed", text, 1.0),)

    monkeypatch.setattr(TenantService, "outbox", Outbox())
    told(["letters"], path)
    told(["letters", "--json"], path)


@MANY
@given(hostile)
@example("[/x]")
def test_events_of_stripe(tmp_path_factory, monkeypatch, text):
    inbox = Inbox(tmp_path_factory.mktemp("inbox") / "inbox.db")
    inbox.keep([Event("evt_1", "invoice.paid", 7.0, "sub_1", b"{}")])
    inbox.end("evt_1", "needs_attention", text.encode(errors="replace").decode())
    told(["billing", "events", "--inbox", str(inbox.path)])
    told(["billing", "events", "--json", "--inbox", str(inbox.path)])
    told(["billing", "retry", text.replace("\0", "") or "-", "--inbox", str(inbox.path)])


@MANY
@given(hostile)
def test_reconcile(path, runs, monkeypatch, text):
    differences = [compare.Difference(text, "operator", text, text)]
    monkeypatch.setattr(compare.Comparison, "look", lambda _self: differences)
    monkeypatch.setattr(compare.Comparison, "fix", lambda _self, _found: compare.Repair((text,), (text,), (text,)))
    monkeypatch.setattr(reconcile, "stripe_client", lambda: None)
    for more in ([], ["--json"], ["--fix"], ["--fix", "--json"]):
        told(["reconcile", "--inbox", "nowhere", *more], path)


@MANY
@given(hostile)
def test_images(path, monkeypatch, text):
    row = images.Row(text, text, text, text, text, (text,), {text: (text,)}, text)
    answers = images.Answers({}, (), (), (text,))
    monkeypatch.setattr(images, "read", lambda _inventory: answers)
    monkeypatch.setattr(images, "survey", lambda *_arguments: [row])
    told(["images", "--list"], path)
    told(["images", "--list", "--json"], path)


@MANY
@given(hostile)
def test_what_was_typed_wrongly_is_told_without_doing_it(path, runs, monkeypatch, text):
    """An operator may have copied it."""
    monkeypatch.setattr(fleet, "read", lambda _inventory: fleet.FleetStatus(()))
    for command in (["show", text], ["create", text, "1", text], ["names", "--free", text], [text], [f"--{text}"]):
        if "\0" not in text:
            told(command, path)


@MANY
@given(hostile)
def test_while_ansible_works(text):
    screen = Console(file=io.StringIO(), force_terminal=False, highlight=False, width=80)
    shown = progress.Progress({}, screen)
    shown({"_event": "v2_playbook_on_task_start", "task": {"name": f"Make {text}"}})
    shown({"_event": "v2_runner_on_ok", "task": {"name": text}, "hosts": {text: {"changed": True}}})
    shown.close()
    shown.wait(text)
    assert harmless(screen.file.getvalue())
    assert len(screen.file.getvalue().split("\n")) == 3


@MANY
@given(hostile)
def test_a_log_has_a_line_for_a_record_and_marks_what_belongs_to_it(text):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(output.LogLines("%(message)s"))
    try:
        raise ValueError(text)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "%s failed", (text,), sys.exc_info())
    handler.emit(record)
    head, *rest = stream.getvalue().removesuffix("\n").split("\n")
    assert harmless(stream.getvalue())
    assert head == printable(f"{text} failed", output.LONGEST_LINE)
    assert rest and all(line.startswith("| ") for line in rest)


def test_an_error_that_nobody_foresaw_does_nothing_either(capsys):
    output.crash(ValueError, ValueError("\x1b[2J"), None)
    assert capsys.readouterr().err == "ValueError: \\x1b[2J\n"


def test_a_machine_that_nests_its_answer_ends_nothing(monkeypatch):
    """What is nested as no program of ours does is left out of the event, and the rest is read."""
    deep = '{"a": ' * 5000 + "1" + "}" * 5000
    line = f'{{"_event": "x", "task": {{"name": "y"}}, "hosts": {{"silo1": {{"msg": {deep}, "b": "]}}"}}}}}}'
    event = runner._event(line)
    result = event["hosts"]["silo1"]
    assert result["b"] == "]}"
    assert "nested too deeply" in json.dumps(result)
    assert runner._event("{no json") is None
    assert runner._event("text") is None


plain = st.none() | st.text(max_size=3) | st.integers()


@given(st.recursive(plain, lambda one: st.lists(one) | st.dictionaries(st.text(max_size=3), one), max_leaves=10))
def test_honest_json_is_read_as_it_is(value):
    assert pruned(json.dumps(value)) == bounded_json.parse(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 65 + "]" * 65, '{"a":' * 3000, '"' + "\\" * 100_001])
def test_json_without_bottom_is_a_value_error_at_once(text):
    with pytest.raises(ValueError, match="."):
        bounded_json.parse(text)
    if "]" not in text:
        with pytest.raises(ValueError, match="."):
            pruned(text)
