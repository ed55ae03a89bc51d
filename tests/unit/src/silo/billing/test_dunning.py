"""What the operator reads of who pays and who does not, and what they can do about it."""

import datetime
import json

import pytest
from click.testing import CliRunner

from silo import cli
from silo.billing.errors import NeedsAttention
from silo.billing.inbox import Inbox
from silo.billing.stripe import credentials
from silo.cli import billing
from silo.tenants import TenantService
from tests.stripe_api.server import KEY

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def silo(company, tmp_path, stripe, monkeypatch):
    """The command line over the company, whose account is at today."""
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    company.account.now = int(NOW.timestamp())
    monkeypatch.setenv(credentials.KEY_FILE, str(key))
    monkeypatch.setenv(billing.API, stripe.url)
    monkeypatch.setenv("SILO_BILLING_INBOX", str(tmp_path / "inbox.db"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(cli.main, ["-i", str(company.path), *arguments])

    return run


@pytest.fixture
def unpaid(company, silo):
    """Hans, whose second month was not paid an hour ago, and who is not suspended yet."""
    company.account.now -= 31 * 86400 + 3600
    name = company.order("hans")
    company.work()
    company.account.break_card(name)
    company.account.advance(31 + 1 / 24)
    return name


def day(days):
    return (NOW + datetime.timedelta(days=days)).date().isoformat()


def test_dunning_shows_who_has_a_larger_plan_than_they_pay_for(silo, company):
    name = company.order("hans", "price_large")
    company.work()
    assert json.loads(silo("dunning", "--json").stdout)["plans"] == []
    company.machines.used["hans"] = 300 * 1024**3
    company.account.change(name, "price_small")
    company.work()
    assert json.loads(silo("dunning", "--json").stdout)["plans"] == [
        {"tenant": "hans", "has": "large", "pays": "small"}
    ]
    assert "hans has the plan large and pays for small; if more is stored" in silo("dunning").output


def test_dunning_shows_what_comes(silo, unpaid, company):
    found = json.loads(silo("dunning", "--json").stdout)
    assert [one["what"] for one in found["coming"]] == ["suspend", *["deletion_announced"] * 3, "delete"]
    assert found["coming"][0]["tenant"] == "hans"
    result = silo("dunning", "--days", "3")
    assert result.exit_code == 0, result.output
    assert "suspend" in result.output
    assert "delete" not in result.output
    assert company.state("hans") == "running"


def test_dunning_and_reconcile_show_who_is_spared_and_which_subscription_pays(silo, unpaid, company):
    new = company.order("hans")
    found = json.loads(silo("dunning", "--json").stdout)["coming"]
    assert {(one["what"], one["subscription"]) for one in found} == {
        ("needs_attention", unpaid),
        ("needs_attention", new),
    }
    assert f"its name is paid for by {new} of cus_" in " ".join(silo("dunning").output.split())
    result = silo("reconcile")
    assert result.exit_code == 1
    assert f"its name is paid for by {new} of cus_" in result.output
    assert "--fix" not in result.output
    fixed = silo("reconcile", "--fix")
    assert (fixed.exit_code, company.state("hans")) == (0, "running")
    assert f"left: hans ({unpaid}): it has been unpaid since" in fixed.output


def test_dunning_names_what_waits_and_which_rate_limit_is_reached_and_releases_it(silo, company):
    company.set(silo_memory_of_server="37G", billing_suspensions_per_day=1)
    company.account.now -= 31 * 86400 + 3600
    names = [company.order(name) for name in ("hans", "maria")]
    company.work()
    assert "maria waits since" in silo("dunning").output
    company.set(silo_memory_of_server="128G")
    company.days(1)
    for name in names:
        company.account.break_card(name)
    company.account.advance(30.1)
    company.work()
    result = silo("dunning")
    assert "The rate limit of suspend is reached since" in result.output
    assert "run 'silo dunning --release' to continue" in result.output
    assert json.loads(silo("dunning", "--release", "--json").stdout)["rate_limits"] == {}
    company.reconciliation().sweep()
    assert {company.state("hans"), company.state("maria")} == {"suspended"}


def test_an_extension_is_one_commit_and_starts_who_is_suspended(silo, unpaid, company):
    company.work()
    assert company.state("hans") == "suspended"
    shown = silo("extend", "hans", "--until", day(20), "--reason", "is in hospital", "--dry-run")
    assert f'+tenant_extended_until: "{day(20)}"' in shown.output
    assert company.state("hans") == "suspended"
    result = silo("extend", "hans", "--until", day(20), "--reason", "is in hospital")
    assert result.exit_code == 0, result.output
    assert f"hans runs again.\nhans has time until {day(20)}." in result.output
    assert company.machines.running == {"hans": "running"}
    company.reconciler().settle(unpaid)
    assert company.state("hans") == "running"
    assert silo("extend", "hans", "--end").exit_code == 0
    assert "tenant_extended_until" not in TenantService(company.path).tenants()["hans"].settings
    company.reconciler().settle(unpaid)
    assert company.state("hans") == "suspended"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--until", "15.1.2027", "--reason", "r"), "until is '15.1.2027'; it must be a day such as 2027-01-15"),
        (("--until", "2020-01-01", "--reason", "r"), "until is '2020-01-01'; it must be a day in the future"),
        (("--until", "2099-01-01"), "name a day and a reason"),
        (("--until", "2099-01-01", "--reason", "r", "--end"), "name a day and a reason"),
        ((), "name a day and a reason"),
        (("--until", "2099-01-01", "--reason", "{{ evil }}"), "tenant_extension_reason is"),
    ],
)
def test_an_extension_that_cannot_be_is_refused(silo, unpaid, company, arguments, words):
    result = silo("extend", "hans", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_reconcile_tells_and_fix_does(silo, unpaid, company, tmp_path):
    result = silo("reconcile")
    assert result.exit_code == 1
    assert "hans: suspend is due: it has been unpaid since" in result.output
    assert " --fix does it.\n" in result.output
    assert company.state("hans") == "running"
    assert json.loads(silo("reconcile", "--json").stdout)["differences"][0]["fix"] == "settle"
    inbox = Inbox(tmp_path / "inbox.db")
    fixed = silo("reconcile", "--fix")
    assert fixed.exit_code == 0, fixed.output
    assert "hans is suspended: it has been unpaid since" in fixed.output
    # Those of the last thirty days, as Stripe keeps no others: the payment that failed, and what it made of hans.
    assert "2 events that never arrived are in the inbox" in fixed.output
    assert {row.type for row in inbox.rows()} == {"invoice.payment_failed", "customer.subscription.updated"}
    assert silo("reconcile").output == "Stripe, the inventory and the machines agree.\n"
    assert json.loads(silo("reconcile", "--fix", "--json").stdout) == {
        "differences": [],
        "done": [],
        "fetched": 0,
        "later": [],
        "left": [],
    }


def test_reconcile_with_fix_fails_where_something_is_for_later(silo, unpaid, company):
    company.machines.fails = "apply.yml"
    result = silo("reconcile", "--fix")
    assert result.exit_code == 1
    assert (
        "left: the desired state of hans is suspended, but its server has not reached it yet: the cable is out"
        in result.output
    )


def test_without_a_key_it_is_said_how_to_give_one(silo, monkeypatch):
    monkeypatch.delenv(credentials.KEY_FILE)
    result = silo("dunning")
    assert result.exit_code == 1
    assert credentials.KEY_FILE in result.output


def test_stripe_that_is_away_is_a_sentence(silo, stripe):
    stripe.away = True
    result = silo("reconcile")
    assert result.exit_code == 1
    assert "Stripe did not return" in result.output
    assert KEY not in result.output


def test_what_asks_for_the_operator_ends_with_a_sentence(silo, unpaid, company, monkeypatch):
    def parks(*_arguments):
        raise NeedsAttention("hans and maria both have sub_1")

    monkeypatch.setattr("silo.billing.tenant_lookup.read", parks)
    result = silo("dunning")
    assert (result.exit_code, result.output) == (1, "Error: hans and maria both have sub_1\n")
