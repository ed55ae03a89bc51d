"""silo checkout: whose link it is, what it is for, and for whom there is none."""

import json

import pytest
import yaml
from click.testing import CliRunner

from silo import cli
from silo.billing.checkout.links import Links, Order, Payment
from silo.billing.stripe import credentials
from tests.stripe_api import Account, Server
from tests.stripe_api.server import KEY

SECRET = "a-secret-of-this-test-0123456789abcdef"


@pytest.fixture(scope="module")
def stripe():
    with Server(Account()) as server:
        server.account.sell("price_small", "Small")
        yield server


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.delenv(credentials.DIRECTORY, raising=False)
    given = {credentials.KEY_FILE: KEY, credentials.CHECKOUT_SECRETS_FILE: SECRET}
    for variable, text in given.items():
        file = tmp_path / variable.lower()
        file.touch(0o600)
        file.write_text(f"{text}\n")
        given[variable] = str(file)
    return given


@pytest.fixture
def silo(path, stripe, keys):
    settings = {"billing_plans": {"price_small": "small"}, "billing_checkout_enabled": True}
    (path / "group_vars" / "all" / "selling.yml").write_text(yaml.safe_dump(settings))

    def run(*arguments, **environment):
        environment = {"COLUMNS": "200", "SILO_STRIPE_API": stripe.url, **keys, **environment}
        return CliRunner().invoke(cli.main, ["-i", str(path), "checkout", *arguments], env=environment)

    return run


def said(result, kind):
    """What the link in the JSON of a call says."""
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    place = {Order: "plans", Payment: "pay"}[kind]
    begin = f"https://billing.swissphoto.ch/{place}?link="
    assert found["link"].startswith(begin)
    assert found["kind"] == {Order: "order", Payment: "pay"}[kind]
    return Links([SECRET]).open(found["link"].removeprefix(begin), kind)


def belongs(path, name, subscription):
    file = path / "host_vars" / name / "tenant.yml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"tenant_subscription": subscription}))


def test_somebody_new_gets_a_link_to_order(silo):
    result = silo("hans", "--plan", "small", "--language", "fr", "--email", "hans@example.ch", "--json")
    assert said(result, Order) == Order("hans", "small", "fr", email="hans@example.ch")


def test_the_link_stands_alone_on_the_standard_output(silo):
    result = silo("hans")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    assert line.startswith("https://billing.swissphoto.ch/plans?link=")
    assert "The customer of hans orders with this link, until 20" in result.stderr
    assert SECRET not in result.output


def test_a_tenant_whose_subscription_goes_on_gets_a_link_to_pay(silo, stripe, path):
    subscription = stripe.account.order("anna", "anna@example.ch", "price_small")
    belongs(path, "anna", subscription)
    found = said(silo("anna", "--json"), Payment)
    assert (found.tenant, found.subscription) == ("anna", subscription)
    for option, value in (("--plan", "small"), ("--email", "anna@example.ch")):
        result = silo("anna", option, value)
        assert result.exit_code == 2
        assert option in result.output


def test_a_tenant_whose_subscription_ended_orders_as_the_same_customer(silo, stripe, path):
    subscription = stripe.account.order("anna", "anna@example.ch", "price_small")
    stripe.account.cancel(subscription)
    belongs(path, "anna", subscription)
    found = said(silo("anna", "--json"), Order)
    assert found.own
    assert found.customer == stripe.account.subscriptions[subscription]["customer"]


def test_a_tenant_without_a_subscription_can_begin_to_pay(silo):
    found = said(silo("anna", "--json"), Order)
    assert (found.tenant, found.customer, found.own) == ("anna", "", True)


def test_who_was_deleted_gets_the_old_name_back(silo, stripe, path):
    subscription = stripe.account.order("otto", "otto@example.ch", "price_small")
    stripe.account.cancel(subscription)
    when = "2026-11-01T00:00:00+00:00"
    record = {"index": 44, "name": "otto", "when": when, "by": "billing", "nas": "silo1", "quota": 1, "language": "it"}
    (path / "retired").mkdir(exist_ok=True)
    file = path / "retired" / "44-otto.yml"
    file.write_text(yaml.safe_dump(record | {"purged": when, "subscription": subscription}))
    customer = stripe.account.subscriptions[subscription]["customer"]
    assert said(silo("otto", "--json"), Order) == Order("otto", "", "it", customer, own=True)
    # Nobody paid for it, so that nobody can be known again.
    file.write_text(yaml.safe_dump(record | {"purged": when}))
    result = silo("otto")
    assert result.exit_code == 2
    assert "'silo names'" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["silo1"], "the name is taken"),
        (["login"], "this name is reserved"),
        (["Hans"], "this name cannot be used"),
        (["../x"], "this name cannot be used"),
        (["hans", "--plan", "huge"], "it must be one that billing_plans sells: small"),
        (["hans", "--email", "nobody"], "it must be an address such as"),
        (["hans", "--language", "rm"], "--language"),
    ],
)
def test_what_cannot_be_is_said(silo, arguments, text):
    result = silo(*arguments)
    assert result.exit_code == 2, result.output
    assert text in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_without_a_checkout_or_a_secret_there_is_no_link(silo, path):
    result = silo("hans", **{credentials.CHECKOUT_SECRETS_FILE: "/nowhere"})
    assert result.exit_code == 1
    assert "/nowhere cannot be read" in result.output
    (path / "group_vars" / "all" / "selling.yml").unlink()
    result = silo("hans")
    assert result.exit_code == 1
    assert "set billing_checkout_enabled" in result.output
