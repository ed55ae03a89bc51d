"""A customer of Stripe on a lab: pays and logs in; fails and reads why; pays and has the same photos; then is gone."""

import datetime
import hashlib
import time

import pytest
import yaml

from silo.billing.reconciler import Reconciler
from silo.billing.stripe.client import Client
from silo.tenants import TenantService
from tests.stripe_api.server import KEY

from ..billing import billing_of
from ..browser import Browser
from ..cloud import Cloud, picture
from ..operator import ROOT
from ..relay import link, text

NAME, EMAIL = "berta", "berta@example.ch"
PASSWORD = "Bertas eigenes Passwort"
PAGES = yaml.safe_load((ROOT / "roles" / "access" / "vars" / "main.yml").read_text())["__access_texts"]["de"]


@pytest.fixture(scope="module")
def billing(lab, operator, silo, relay, tmp_path_factory):
    with billing_of(lab, operator, silo, tmp_path_factory.mktemp("billing"), NAME) as billing:
        yield billing


@pytest.fixture(scope="module")
def subscription(billing):
    return billing.stripe.account.order(NAME, EMAIL, "price_small", "de")


@pytest.fixture(scope="module")
def photo():
    return picture(200)


@pytest.fixture(scope="module")
def berta(lab):
    return Cloud(lab, NAME)


@pytest.fixture
def browser(lab, tmp_path):
    browser = Browser(lab, tmp_path / "home")
    yield browser
    browser.quit()


def stored(lab, folder):
    """Digest of each photo that lies below a folder of the NAS."""
    listed = lab.shell(f"find {folder} -type f -name '*.jpg' -exec sha256sum {{}} + | cut -d' ' -f1 | sort")
    return set(listed.split())


def subjects(relay):
    return [letter["Subject"] for letter in relay.to(EMAIL)]


def test_who_pays_gets_a_letter_and_logs_in(billing, subscription, operator, relay, browser, berta, photo):
    begun = time.monotonic()
    billing.hear()
    billing.settled()
    assert time.monotonic() - begun < 120
    (letter,) = relay.to(EMAIL)
    browser.open(link(letter))
    browser.fill(password=PASSWORD, repeated=PASSWORD)
    browser.wait_for(PAGES["done"]["title"])
    browser.log_in(f"https://{berta.host}", EMAIL, PASSWORD)
    settings = operator.settings(NAME)
    assert (settings["tenant_plan"], settings["tenant_subscription"]) == ("small", subscription)
    assert berta.login(EMAIL, PASSWORD).status == 201
    assert berta.upload(photo, "berta.jpg").status == 201


def test_who_does_not_pay_reads_why_and_where_to_pay_and_loses_nothing(billing, subscription, lab, relay, berta, photo):
    account = billing.stripe.account
    account.break_card(subscription)
    account.advance(31)
    billing.hear()
    billing.settled()
    page = berta.get("/", Accept="text/html")
    assert (page.status, page.headers["Content-Language"]) == (503, "de")
    assert "/pay" not in page.body.decode()
    assert berta.get("/api/server/ping").json["reason"] == "unavailable"
    assert account.of(subscription)[-1]["hosted_invoice_url"] in text(relay.to(EMAIL)[-1])
    assert lab.run("docker", "ps", "--quiet", "--filter", f"name=silo-{NAME}-") == ""
    assert hashlib.sha256(photo).hexdigest() in stored(lab, f"/instances/{NAME}")


def test_who_pays_again_has_the_same_photos_and_session(billing, subscription, relay, berta, photo):
    billing.stripe.account.mend_card(subscription)
    billing.stripe.account.pay(subscription)
    billing.hear()
    billing.settled()
    (asset,) = berta.post("/api/search/metadata", {"size": 10}).json["assets"]["items"]
    assert berta.get(f"/api/assets/{asset['id']}/original").body == photo
    assert subjects(relay)[-1] == "Ihre Foto-Cloud ist wieder offen"


def test_thirty_days_unpaid_it_is_gone_with_three_letters_before_and_a_record(
    billing, subscription, operator, lab, relay, photo
):
    account, before = billing.stripe.account, len(relay.to(EMAIL))
    account.break_card(subscription)
    while not (unpaid := [one for one in account.of(subscription) if one["status"] == "open"]):
        account.advance(1)
    begun = datetime.datetime.fromtimestamp(unpaid[0]["created"], datetime.UTC).replace(hour=0)

    # The worker lives in the present; what is to come is settled by the same rules, with the clock of the account.
    def settle(days):
        until = begun + datetime.timedelta(days=days, hours=20)
        account.advance(max(0, (until - account.time) / datetime.timedelta(days=1)))
        rules = Reconciler(
            TenantService(operator.inventory), Client(KEY, api=billing.stripe.url), clock=lambda: account.time
        )
        return rules.settle(subscription).message

    told = {day: settle(day) for day in (2, 15, 16, 20, 23, 29, 30)}
    assert {day for day, said in told.items() if "deletion_announced" in said} == {16, 23, 29}
    assert "is deleted" in told[30]
    assert "is deleted" not in told[29]
    letters = subjects(relay)[before:]
    assert letters[0] == "Ihre Foto-Cloud ist geschlossen"
    assert len({subject for subject in letters[1:4]}) == 1
    assert letters[4:] == ["Ihre Foto-Cloud wurde gelöscht"]

    assert lab.run("docker", "ps", "--all", "--quiet", "--filter", f"name=silo-{NAME}-") == ""
    assert not operator.folder(NAME).exists()
    # Its certificate goes with its route.
    assert Cloud(lab, NAME, verify=False).get("/").status == 404
    assert hashlib.sha256(photo).hexdigest() in stored(lab, "/instances/.trash")
    (record,) = [yaml.safe_load(file.read_text()) for file in (operator.inventory / "retired").glob(f"*-{NAME}.yml")]
    assert (record["by"], record["subscription"]) == ("billing, as nothing was paid", subscription)
    assert record["trashed"]
    assert record["files"] > 0
    assert [letter["Subject"] for letter in relay.to("ops@example.ch")] == [f"{NAME} is deleted"]
