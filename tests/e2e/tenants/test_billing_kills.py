"""The worker, killed in the middle of real runs on a lab: one tenant, one letter of each kind, and no event lost."""

import pytest

from ..billing import billing_of
from ..cloud import Cloud
from ..relay import link
from ..waiting import wait_for

NAME, EMAIL = "kurt", "kurt@example.ch"


@pytest.fixture(scope="module")
def billing(lab, operator, silo, relay, tmp_path_factory):
    with billing_of(lab, operator, silo, tmp_path_factory.mktemp("billing"), NAME) as billing:
        yield billing


@pytest.fixture(scope="module")
def subscription(billing):
    return billing.stripe.account.order(NAME, EMAIL, "price_small", "de")


def subjects(relay):
    return [letter["Subject"] for letter in relay.to(EMAIL)]


def test_who_paid_has_one_cloud_and_one_letter_however_often_the_worker_is_killed(lab, billing, relay, subscription):
    billing.hear()
    billing.kill(4)
    billing.settled()
    assert subjects(relay) == ["Ihre Foto-Cloud ist bereit"]
    assert Cloud(lab, NAME).works()
    assert len(lab.containers(NAME)) == 3
    assert link(relay.to(EMAIL)[0]).startswith(f"https://{NAME}.{lab.domain}/silo/welcome/")


@pytest.mark.slow("a second story of kills; the first one is told here")
def test_who_does_not_pay_is_suspended_once_and_back_once(lab, billing, relay, subscription):
    account = billing.stripe.account
    account.break_card(subscription)
    account.advance(31)
    billing.hear()
    billing.kill(2)
    billing.settled()
    assert Cloud(lab, NAME).get("/").status == 503
    assert subjects(relay)[1:] == ["Ihre Foto-Cloud ist geschlossen"]
    account.mend_card(subscription)
    account.pay(subscription)
    billing.hear()
    billing.kill(2)
    billing.settled()
    wait_for(Cloud(lab, NAME).works, 60)
    assert subjects(relay)[2:] == ["Ihre Foto-Cloud ist wieder offen"]
    # Nobody had to be asked for any of it.
    assert relay.to("ops@example.ch") == []
