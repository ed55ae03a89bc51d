"""What cannot be done now waits with a number, is shown whole, and is done by itself, once, when its cause is gone."""

import datetime
import functools
import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import locks
from click.testing import CliRunner

from silo import cli
from silo.billing import waiting
from silo.billing.inbox import Inbox
from silo.billing.rate_limits import RateLimits
from silo.billing.state_store import StateStore
from silo.billing.stripe.events import parse
from silo.billing.worker import Worker
from silo.capacity import GIB
from silo.inventory.transaction import Folder
from silo.state import State
from silo.tenants import ApplyIncomplete, TenantService

from .world import OPERATOR


class Desk:
    """The inbox and the worker of a company, by its clock; nothing is done but by `work`."""

    def __init__(self, company, folder):
        self.company, self.told = company, []
        self.inbox = Inbox(folder / "inbox.db", lambda: company.account.time.timestamp())
        self.worker = Worker(self.inbox, company.reconciler, self.told.append)

    def work(self):
        """Take what is new, and then all that the worker does in an hour in which nobody does anything."""
        self.inbox.keep([parse(json.dumps(event).encode()) for event in self.company.events()])
        for _turn in range(4):
            for row in [*self.inbox.due(100), *self.inbox.parked(100)]:
                self.worker.work(row)
        self.company.account.now += 3601
        self.worker.revisit()

    def waits(self):
        found = waiting.read(lambda: TenantService(self.company.path), lambda: self.inbox)
        assert found.problems == ()
        return found.waiting

    def waits_for(self, kind, tenant, cause, ends):
        """Hold that one thing waits, for this; return its number."""
        (one,) = self.waits()
        assert (one.kind, one.tenant) == (kind, tenant)
        assert cause in one.cause
        assert ends in one.ends
        assert one.since is not None
        assert one.step
        return one.number


@pytest.fixture
def desk(company, tmp_path):
    return Desk(company, tmp_path)


@pytest.fixture
def hans(company, desk):
    name = company.order("hans")
    desk.work()
    assert desk.waits() == ()
    company.post.letters.clear()
    return name


def ready(company, name):
    """The customer of a new cloud has one letter, about that."""
    assert company.machines.running[name] == "running"
    return company.post.subjects(f"{name}@example.ch") == ["Ihre Foto-Cloud ist bereit"]


def test_an_order_waits_until_stripe_answers(company, desk, stripe):
    subscription = company.order("hans")
    stripe.away = True
    desk.work()
    number = desk.waits_for("event", "", "Stripe did not return", "works again")
    assert number in {event["id"] for event in company.account.events}
    assert subscription in desk.waits()[0].cause
    stripe.away = False
    desk.work()
    assert ready(company, "hans")
    assert desk.waits() == ()


def test_an_order_waits_while_somebody_edits_the_inventory_and_nobody_is_troubled(company, desk, monkeypatch):
    real = Folder.locked
    monkeypatch.setattr(Folder, "locked", lambda folder, _seconds: real(folder, 0))
    company.order("hans")
    with locks.held(company.path):
        desk.work()
        desk.waits_for("event", "", "another edit of this inventory is under way", "the other run has ended")
    assert desk.told == []
    assert company.post.letters == []
    desk.work()
    assert ready(company, "hans")
    assert desk.waits() == ()


def test_an_order_waits_while_another_run_changes_the_machines(company, desk, monkeypatch):
    monkeypatch.setattr(State, "turn", functools.partialmethod(State.turn, wait_seconds=0))
    company.order("hans")
    with locks.held(TenantService(company.path).state.folder / "run.lock"):
        desk.work()
        (event,) = [one for one in desk.waits() if one.kind == "event"]
        others = [one for one in desk.waits() if one != event]
        assert "is changing the same machines" in event.cause
        assert event.ends == "the other run has ended"
        # What is begun, and what it owes, are shown as well.
        assert {(one.kind, one.tenant) for one in others} == {("change", "hans"), ("letter", "hans")}
    desk.work()
    assert ready(company, "hans")
    assert desk.waits() == ()


@pytest.mark.parametrize("playbook", ["read.yml", "apply.yml", "letters.yml"])
def test_an_order_waits_for_the_nas_and_the_server(company, desk, playbook):
    company.order("hans")
    company.machines.fails = playbook
    desk.work()
    (event,) = [one for one in desk.waits() if one.kind == "event"]
    assert "the cable is out" in event.cause
    assert "the NAS can be reached" in event.ends
    company.machines.fails = ""
    desk.work()
    assert ready(company, "hans")
    assert desk.waits() == ()


def test_an_order_waits_for_its_name_and_is_made_once_that_is_free(company, desk, hans):
    other = company.account.order("hans", "other@example.ch", "price_small")
    desk.work()
    number = desk.waits_for("event", "", "another tenant has its name", "the name is free")
    assert company.post.subjects("other@example.ch") == ["Wir prüfen Ihre Bestellung"]
    for _hour in range(5):
        desk.work()
    assert desk.waits()[0].number == number
    assert len({trouble.key for trouble in desk.told}) == len(company.post.to("other@example.ch")) == 1
    # The operator and the customer agree on another name; no event comes.
    company.account.subscriptions[other]["metadata"]["tenant"] = "hansruedi"
    desk.work()
    assert company.machines.running == {"hans": "running", "hansruedi": "running"}
    assert company.post.subjects("other@example.ch")[1:] == ["Ihre Foto-Cloud ist bereit"]
    assert desk.waits() == ()


def test_an_order_waits_for_its_price_to_be_a_plan(company, desk):
    company.account.sell("price_new", "New")
    company.order("hans", "price_new")
    desk.work()
    desk.waits_for("event", "", "billing_plans must name exactly one plan", "its prices belong to one plan")
    company.set(billing_plans={"price_new": "small"})
    desk.work()
    assert company.machines.running == {"hans": "running"}
    assert desk.waits() == ()


def test_an_order_waits_for_room(company, desk):
    company.set(silo_memory_of_server="37G", letters_operator=OPERATOR)  # one tenant
    company.order("hans")
    maria = company.order("maria")
    desk.work()
    assert (
        desk.waits_for("order", "maria", "no room to create it: maria: it needs", "there is room for plan small")
        == maria
    )
    desk.work()
    assert company.post.subjects(OPERATOR) == ["An order waits for room: maria"]
    TenantService(company.path).set_state("hans", "stopped")
    desk.work()
    assert company.machines.running == {"hans": "stopped", "maria": "running"}
    assert company.post.subjects("maria@example.ch")[1:] == ["Ihre Foto-Cloud ist bereit"]
    assert desk.waits() == ()


@pytest.mark.parametrize("text", [b"tenant_email: \xfc\n", b"<<<<<<< ours\na: 1\n", b"tenant_email: [\n"])
def test_an_order_waits_for_a_file_that_cannot_be_read(company, desk, hans, text):
    file = company.path / "host_vars" / "hans" / "tenant.yml"
    before = file.read_bytes()
    company.order("maria")
    file.write_bytes(text)
    desk.work()
    found = waiting.read(lambda: TenantService(company.path), lambda: desk.inbox)
    (event,) = [one for one in found.waiting if one.kind == "event"]
    assert "host_vars/hans/tenant.yml" in event.cause
    assert event.ends == "the inventory is right again"
    assert "the inventory cannot be read" in found.problems[0]
    file.write_bytes(before)
    desk.work()
    assert ready(company, "maria")
    assert desk.waits() == ()


def test_all_waits_for_the_notes_of_billing(company, desk):
    company.order("hans")
    notes = company.path / ".silo" / "billing.json"
    notes.parent.mkdir(exist_ok=True)
    notes.write_text("{")
    desk.work()
    found = waiting.read(lambda: TenantService(company.path), lambda: desk.inbox)
    assert "billing.json cannot be read" in found.waiting[0].cause
    assert found.waiting[0].ends == "that file can be read, or is removed"
    assert "the state of billing cannot be read" in found.problems[0]
    notes.unlink()
    desk.work()
    assert ready(company, "hans")
    assert desk.waits() == ()


def test_a_smaller_plan_waits_until_less_is_stored(company, desk, hans):
    company.account.change(hans, "price_medium")
    desk.work()
    company.machines.used["hans"] = 600 * GIB
    company.account.change(hans, "price_small")
    desk.work()
    assert desk.waits_for("decision", "hans", "hans changed from medium to small", "hans stores less than") == hans
    company.machines.used["hans"] = 1 * GIB
    desk.work()
    assert TenantService(company.path).tenants()["hans"].settings["tenant_plan"] == "small"
    assert desk.waits() == ()


def test_what_is_above_the_limit_of_a_day_waits_until_the_operator_agrees(company, desk):
    company.set(billing_suspensions_per_day=1)
    names = {company.order(name): name for name in ("hans", "maria")}
    desk.work()
    for name in names:
        company.account.cancel(name)
    desk.work()
    (one,) = desk.waits()
    assert (one.kind, names[one.number], one.ends) == ("decision", one.tenant, "you agree")
    assert "'silo dunning --release' agrees" in one.step
    service = TenantService(company.path)
    RateLimits(StateStore(service.state.folder), company.reconciler().policy).release()
    company.account.advance(1)
    desk.work()
    assert set(company.machines.running.values()) == {"suspended"}
    assert desk.waits() == ()


def test_a_decision_that_no_event_has_waits_until_the_night_after_its_cause_is_gone(company, desk, hans):
    other = company.account.order("hans", "other@example.ch", "price_small")
    company.events()
    company.reconciliation().sweep()
    since = desk.waits()[0].since
    company.account.advance(1)
    company.events()
    company.reconciliation().sweep()
    number = desk.waits_for("decision", "hans", "another tenant has its name", "the name is free")
    assert (number, desk.waits()[0].since) == (other, since)
    company.account.cancel(other)
    company.events()
    company.reconciliation().sweep()
    assert desk.waits() == ()


def test_a_letter_waits_for_the_relay(company, desk):
    company.post.refuses = True
    company.order("hans")
    desk.work()
    number = desk.waits_for("letter", "hans", "451", "the relay accepts it")
    assert number.startswith("created/hans/")
    assert desk.waits()[0].again > company.account.time - datetime.timedelta(days=1)
    company.post.refuses = False
    # What the timer of the controller does.
    TenantService(company.path).outbox.deliver(at_once=True)
    assert ready(company, "hans")
    assert desk.waits() == ()


def test_a_login_link_that_the_relay_refused_for_good_waits_until_a_later_one_arrives(company, desk, silo):
    company.post.knows_nobody = True
    company.order("hans")
    desk.work()
    number = desk.waits_for("letter", "hans", "silo gave up the letter 'created': relay", "a later letter arrives")
    assert number.startswith("created/hans/")
    assert desk.waits()[0].step.startswith("'silo reset-access hans' sends a new link; if the cause is the address")
    result = silo("letters")
    assert result.exit_code == 1 and "'silo billing' says what to do" in " ".join(result.output.split())
    company.post.knows_nobody = False
    TenantService(company.path).reset_access("hans")
    assert desk.waits() == () and silo("letters").exit_code == 0


def test_the_link_of_a_tenant_that_was_stopped_before_it_ran_waits_until_it_starts(company, desk):
    company.order("hans")
    company.machines.fails = "letters.yml"
    desk.work()
    company.machines.fails = ""
    TenantService(company.path).set_state("hans", "stopped")
    desk.work()
    desk.waits_for("letter", "hans", "the letter 'created' is written once hans is running", "hans is running")
    assert company.post.letters == []
    TenantService(company.path).set_state("hans", "running")
    assert ready(company, "hans")
    assert desk.waits() == ()


def test_what_a_run_of_the_operator_owes_is_written_by_the_worker_though_no_event_comes(company, desk, hans):
    company.machines.fails = "letters.yml"
    with pytest.raises(ApplyIncomplete, match="the cable is out"):
        TenantService(company.path).set_state("hans", "suspended", reason="disputed")
    company.machines.fails = ""
    desk.waits_for("letter", "hans", "the letter 'suspended' is not written yet", "an apply succeeds")
    desk.work()
    assert company.post.subjects("hans@example.ch") == ["Ihre Foto-Cloud ist geschlossen"]
    assert desk.waits() == ()


def test_an_interrupted_deletion_goes_on(company, desk, hans):
    company.set(billing_notices=[1])
    company.account.cancel(hans)
    desk.work()
    for _day in range(29):
        company.account.advance(1)
        company.reconciliation().sweep()
    company.account.advance(1)
    company.machines.fails = "trash.yml"
    company.reconciliation().sweep()
    assert {one.kind for one in desk.waits()} == {"deletion", "change"}
    assert "can be reached" in next(one.ends for one in desk.waits() if one.kind == "deletion")
    company.machines.fails = ""
    desk.work()
    assert list(company.machines.trash.values()) == ["photos 1"]
    assert company.post.subjects("hans@example.ch").count("Ihre Foto-Cloud wurde gelöscht") == 1
    assert desk.waits() == ()


def test_an_address_that_is_none_waits_until_the_customer_corrects_it(company, desk, hans):
    company.account.move(hans, "hans.@example.ch")
    desk.work()
    desk.waits_for("event", "", "it must be an address such as", "corrected")
    company.account.customers[company.account.subscriptions[hans]["customer"]]["email"] = "hans@new.example.ch"
    desk.work()
    assert TenantService(company.path).tenants()["hans"].email == "hans@new.example.ch"
    assert desk.waits() == ()


def test_a_mistake_of_silo_that_is_corrected_is_tried_again(company, desk, hans, monkeypatch):
    def broken(*_arguments):
        raise KeyError("quota")

    company.account.cancel(hans)
    with monkeypatch.context() as patch:
        patch.setattr("silo.billing.reconciler.decide", broken)
        for _hour in range(14):
            desk.work()
        desk.waits_for("event", "hans", "KeyError", "silo is corrected")
    assert len({trouble.key for trouble in desk.told}) == 2  # that it waits, and that silo gave up
    desk.work()
    assert company.machines.running == {"hans": "suspended"}
    assert desk.waits() == ()


@pytest.fixture
def silo(company, desk):
    def run(*arguments):
        environment = {"SILO_BILLING_INBOX": str(desk.inbox.path), "COLUMNS": "40"}
        return CliRunner().invoke(cli.main, ["-i", str(company.path), *arguments], env=environment)

    return run


def test_all_of_it_is_shown_in_one_place_and_no_number_is_cut(company, desk, silo):
    company.set(silo_memory_of_server="37G")
    company.order("hans")
    desk.work()
    room = company.order("maria")
    name = company.account.order("hans", f"{'o' * 60}@example.ch", "price_small")
    desk.work()
    shown = silo("billing")
    assert shown.exit_code == 0, shown.output
    assert shown.output == silo("billing", "waiting").output
    assert f"{room} (order, maria)\n" in shown.output
    found = json.loads(silo("billing", "waiting", "--json").stdout)
    assert found["problems"] == []
    assert {one["kind"] for one in found["waiting"]} == {"order", "event"}
    (event,) = [one for one in found["waiting"] if one["kind"] == "event"]
    assert name in event["cause"]
    assert f"{event['number']} (event)\n  since:" in shown.output
    assert set(event) == {"number", "kind", "tenant", "cause", "since", "ends", "again", "step"}
    assert datetime.datetime.fromisoformat(event["again"]) > datetime.datetime.fromisoformat(event["since"])
    # The number is what a retry takes.
    assert silo("billing", "retry", event["number"]).exit_code == 0


@pytest.mark.parametrize(
    ("path", "mistake"),
    [
        ("host_vars/hans/overrides.yml", "tenant_quota: [\n"),
        ("host_vars/hans/overrides.yml", "tenant_memory: -1\n"),
        ("group_vars/all/other.yml", "silo_memory_overcommit: lots\n"),
    ],
)
def test_a_mistake_in_another_file_of_the_inventory_writes_no_customer_and_the_order_goes_on_after_it(
    company, desk, hans, path, mistake
):
    (company.path / path).write_text(mistake)
    company.order("maria")
    desk.work()
    assert company.post.to("maria@example.ch") == []
    (waits,) = [one for one in waiting.read(lambda: TenantService(company.path), lambda: desk.inbox).waiting]
    assert waits.kind == "event" and waits.ends == "the inventory is right again"
    assert len({one.key for one in desk.told}) == 1, "the operator is told, once"
    (company.path / path).unlink()
    desk.work()
    assert ready(company, "maria")


def test_the_night_forgets_the_subscriptions_of_orders_that_came_to_nothing(company, desk, hans):
    lost = company.account.order("hans", "other@example.ch", "price_small")
    desk.work()
    locks_of = company.path / ".silo" / "billing"
    assert {one.name for one in locks_of.iterdir()} == {hans, lost}
    company.account.cancel(lost)
    desk.work()
    company.reconciliation().sweep()
    assert {one.name for one in locks_of.iterdir()} == {hans}


def test_what_is_left_out_is_said(company, desk, monkeypatch):
    monkeypatch.setattr(waiting, "MOST", 1)
    company.order("hans")
    company.order("maria")
    desk.inbox.keep([parse(json.dumps(event).encode()) for event in company.events()])
    count = desk.inbox.tally().counts["new"]
    found = waiting.read(lambda: TenantService(company.path), lambda: desk.inbox)
    assert len(found.waiting) == 1
    (problem,) = found.problems
    assert problem.startswith(f"{count} events of Stripe wait, and only the newest 1 are listed here; 'silo billing ev")


@pytest.mark.parametrize(
    "content",
    ['{"holds": {"sub_1": {"step": "x"}}}', '{"orders": []}', '{"begun": {"sub_1": {}}}', '{"holds": null}', "[1]"],
)
def test_a_state_of_billing_of_another_shape_hides_nothing_else(company, desk, silo, content):
    company.order("hans")
    desk.inbox.keep([parse(json.dumps(event).encode()) for event in company.events()])
    (company.path / ".silo").mkdir(exist_ok=True)
    (company.path / ".silo" / "billing.json").write_text(content)
    shown = silo("billing")
    assert "(event" in shown.output
    assert "Incomplete: the state of billing cannot be read" in shown.output


def test_where_nothing_waits_that_is_said(silo, hans):
    assert silo("billing").output == "Nothing waits.\n"


def test_an_unreadable_inventory_hides_nothing_else(company, desk, silo, hans):
    (company.path / "host_vars" / "hans" / "tenant.yml").write_bytes(b"\xff")
    company.order("maria")
    desk.work()
    shown = silo("billing")
    assert "(event)" in shown.output
    assert "Incomplete: the inventory cannot be read" in shown.output
