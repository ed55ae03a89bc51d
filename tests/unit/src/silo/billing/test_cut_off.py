"""Cut off at any point, between any two things that it does, a settlement is completed by the next: nothing twice."""

import functools
import itertools

import pytest

from silo.billing.errors import NeedsAttentionReported
from silo.billing.rate_limits import RateLimits
from silo.billing.state_store import StateStore
from silo.billing.stripe.client import Client
from silo.inventory.transaction import Folder
from silo.notifications import Outbox
from silo.notifications.relay import Relay
from silo.tenants import TenantService

from .world import OPERATOR

POINTS = {
    RateLimits: ("admit",),
    TenantService: ("record_trashed",),
    Folder: ("make", "finish"),
    Client: ("subscription", "subscriptions", "invoices"),
    StateStore: ("begin", "end", "wait", "unqueue", "spare"),
    Outbox: ("queue_notification", "forget", "enqueue", "enqueue_for_operator", "withdraw"),
    Relay: ("send",),
}
MOST = 200


class Killed(BaseException):
    """No code of ours catches it, as none hears of a SIGKILL."""


class Fuse:
    """Kills at the n-th point that is passed, before or after what is done there; `left` is 0 for never."""

    def __init__(self):
        self.left = 0

    def burn(self):
        self.left -= 1
        if self.left == 0:
            raise Killed


@pytest.fixture
def fuse(monkeypatch, company):
    fuse = Fuse()
    places = [(kind, name) for kind, names in POINTS.items() for name in names]
    places += [(company.machines, name) for name in ("run_apply", "run_letters", "run_trash")]
    for holder, name in places:
        real = getattr(holder, name)

        def burning(*arguments, _real=real, **more):
            fuse.burn()
            result = _real(*arguments, **more)
            if hasattr(result, "__next__"):
                result = iter(list(result))
            # After a letter is with the relay and before that is known, nobody can know: it is failed, not sent again.
            if not isinstance(arguments[0] if arguments else None, Relay):
                fuse.burn()
            return result

        monkeypatch.setattr(holder, name, functools.wraps(real)(burning))
    return fuse


def cut_off(company, fuse, subscription, point):
    """Settle, killed at a point; then as often as the worker would. Return whether it was killed at all."""
    fuse.left = point
    killed = False
    try:
        company.reconciler().settle(subscription)
    except Killed:
        killed = True
    fuse.left = 0
    company.reconciler().settle(subscription)
    outbox(company).deliver(at_once=True)
    return killed


def outbox(company):
    return TenantService(company.path).outbox


def letters(company, name):
    return company.post.subjects(f"{name}@example.ch")


def test_a_cloud_is_made_once_with_one_letter(company, fuse):
    company.set(silo_memory_of_server="1T")
    for point in itertools.count(1):
        name = f"k{point}"
        killed = cut_off(company, fuse, company.order(name), point)
        assert company.machines.running[name] == "running", point
        assert letters(company, name) in (["Ihre Foto-Cloud ist bereit"], lost(company, name)), point
        if not killed:
            break
        assert point < MOST
    assert point > 20
    assert len(company.machines.data) == len(TenantService(company.path).tenants()) == point


def lost(company, name):
    """A letter that was cut off in the relay's hands is failed, and the operator sees it in 'silo letters'."""
    states = [
        state for event, state in TenantService(company.path).outbox.states().items() if event.split("/")[1] == name
    ]
    return [] if states == [("failed", "silo was interrupted after the relay may have accepted it")] else None


def test_suspended_and_started_again_with_one_letter_each(company, fuse):
    subscription = company.order("hans")
    company.work()
    seen = 1
    for point in itertools.count(1):
        company.account.break_card(subscription)
        while all(invoice["status"] == "paid" for invoice in company.account.of(subscription)):
            company.account.advance(1)
        first = cut_off(company, fuse, subscription, point)
        assert company.machines.running == {"hans": "suspended"}, point
        company.account.mend_card(subscription)
        company.account.pay(subscription)
        second = cut_off(company, fuse, subscription, point)
        assert company.machines.running == {"hans": "running"}, point
        fresh, seen = letters(company, "hans")[seen:], len(letters(company, "hans"))
        assert len(fresh) == len(set(fresh)), point
        assert set(fresh) <= {"Ihre Foto-Cloud ist geschlossen", "Ihre Foto-Cloud ist wieder offen"}, point
        if not first and not second:
            break
        assert point < MOST
    assert point > 10
    failed = [event for event, (state, _why) in outbox(company).states().items() if state == "failed"]
    assert len(letters(company, "hans")) + len(failed) == 1 + 2 * point
    assert company.machines.data == {"hans": "photos 1"}


def test_what_another_pays_for_is_left_as_it_is_and_told_once(company, fuse):
    company.set(silo_memory_of_server="1T")
    for point in itertools.count(1):
        name = f"k{point}"
        subscription = company.order(name)
        company.work()
        company.account.cancel(subscription)
        company.order(name)
        fuse.left = point
        with pytest.raises((Killed, NeedsAttentionReported)) as first:
            company.reconciler().settle(subscription)
        fuse.left = 0
        with pytest.raises(NeedsAttentionReported):
            company.reconciler().settle(subscription)
        outbox(company).deliver(at_once=True)
        assert company.machines.running[name] == "running", point
        # As above, one that was cut off in the relay's hands is not sent again.
        letters = [state for event, (state, _why) in outbox(company).states().items() if f"/{name}/sub" in event]
        assert letters in (["sent"], ["failed"]), point
        told = company.post.subjects(OPERATOR).count(f"Another subscription pays for {name}")
        assert told == letters.count("sent"), point
        if first.type is NeedsAttentionReported:
            break
        assert point < MOST
    assert point > 10


@pytest.mark.fault(21)
def test_deleted_once_with_a_record_and_all_of_its_data_in_the_trash(company, fuse):
    company.set(silo_memory_of_server="1T", billing_suspensions_per_day=MOST, billing_deletions_per_day=MOST)
    points = {f"k{point}": point for point in range(1, 80, 4)}
    names = {name: company.order(name) for name in points}
    company.work()
    for subscription in names.values():
        company.account.cancel(subscription)
    company.work()
    for days in (16, 7, 6):
        company.account.advance(days)
        company.reconciliation().sweep()
    company.account.advance(1)
    killed = [cut_off(company, fuse, subscription, points[name]) for name, subscription in names.items()]
    assert killed[0]
    assert not killed[-1], "there are more points than these"
    assert company.machines.running == {}
    assert company.machines.data == {}
    assert len(company.machines.trash) == len(names)
    deletions = TenantService(company.path).files.deletion_records()
    assert sorted(deletion.name for deletion in deletions) == sorted(names)
    assert all(deletion.trashed for deletion in deletions)
    for name in names:
        assert letters(company, name).count("Ihre Foto-Cloud wurde gelöscht") == 1, name
