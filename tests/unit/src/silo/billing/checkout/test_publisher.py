"""What the worker writes for the checkout: what is on sale and which names are taken, again after each change."""

import datetime
import logging
import os
import threading

import pytest
import yaml

from silo.billing.checkout.catalogue import CatalogueFile, Plan
from silo.billing.checkout.publisher import AGAIN_SECONDS, RETRY_SECONDS, Publisher
from silo.billing.errors import TryLater
from silo.capacity import GIB
from silo.tenants import TenantService

SOLD = {"price_small": "small", "price_odd": "huge", "price_large": "large"}


def settings(path, **variables):
    (path / "group_vars" / "all" / "selling.yml").write_text(
        yaml.safe_dump({"billing_plans": SOLD} | variables, sort_keys=False)
    )


@pytest.fixture
def now():
    """The time of the publisher, which a test moves."""
    return [1000.0]


@pytest.fixture
def publisher(path, tmp_path, now):
    settings(path)
    return Publisher(lambda: TenantService(path), tmp_path / "catalogue.json", threading.Event(), lambda: now[0])


@pytest.fixture
def read(tmp_path):
    return CatalogueFile(tmp_path / "catalogue.json").read


def deleted(path, name, years_ago, **more):
    when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=366 * years_ago)
    record = {"index": 40 + years_ago, "name": name, "when": when.isoformat(timespec="seconds"), "by": "ops"}
    record |= {"nas": "silo1", "quota": GIB, "purged": when.isoformat(timespec="seconds"), **more}
    (path / "retired").mkdir(exist_ok=True)
    (path / "retired" / f"{record['index']}-{name}.yml").write_text(yaml.safe_dump(record))


def test_it_is_what_the_inventory_says(publisher, read, path):
    deleted(path, "otto", 1)
    deleted(path, "ute", 11)
    deleted(path, "paul", 2, freed="2026-01-01T00:00:00+00:00")
    assert publisher.publish()
    found = read()
    assert (found.host, found.domain, found.brand.name) == ("billing.swissphoto.ch", "swissphoto.ch", "SwissPhoto")
    assert found.contact == "ops@swissphoto.ch"
    assert found.payment_pages[0] == "https://checkout.stripe.com"
    # In the operator's order; a plan that does not exist is not on sale.
    assert [plan.price for plan in found.plans] == ["price_small", "price_large"]
    assert found.plans[0] == Plan("price_small", "small", 100 * GIB)
    states = {name: found.name_state(name) for name in ("anna", "silo1", "otto", "0tto", "ute", "paul", "hans")}
    assert states == {
        "anna": "taken",
        "silo1": "taken",
        "otto": "taken",
        "0tto": "impossible",
        "ute": "free",
        "paul": "free",
        "hans": "free",
    }


def test_it_is_written_again_after_a_change_and_after_an_hour(publisher, read, path, now):
    assert publisher.publish()
    assert not publisher.publish()
    (path / "host_vars" / "hans").mkdir()
    text = yaml.safe_dump({"tenant_email": "hans@example.ch", "tenant_plan": "small", "tenant_index": 77})
    (path / "host_vars" / "hans" / "tenant.yml").write_text(text)
    assert publisher.publish()
    assert read().name_state("hans") == "taken"
    now[0] += AGAIN_SECONDS - 1
    assert not publisher.publish()
    now[0] += 1
    assert publisher.publish()


@pytest.mark.parametrize(
    "wrong",
    [
        {"billing_plans": ["price_small"]},
        {"billing_checkout_payment_pages": ["https://pay.example/; script-src *"]},
        {"billing_checkout_payment_pages": "https://checkout.stripe.com"},
        {"billing_checkout_brand": "Foto"},
    ],
)
def test_what_is_wrong_is_logged_and_the_last_one_stays(publisher, read, path, now, wrong, caplog):
    assert publisher.publish()
    settings(path, **wrong)
    with caplog.at_level(logging.ERROR):
        assert not publisher.publish()
    assert next(iter(wrong)) in caplog.text
    assert [plan.price for plan in read().plans] == ["price_small", "price_large"]
    now[0] += RETRY_SECONDS
    settings(path)
    assert publisher.publish()


def test_a_file_that_cannot_be_read_is_the_workers_matter(read, tmp_path):
    with pytest.raises(TryLater, match="the worker writes it"):
        read()
    for text in ("{", "[]", '{"host": "x"}'):
        (tmp_path / "catalogue.json").write_text(text)
        os.utime(tmp_path / "catalogue.json", (1, len(text)))
        with pytest.raises(TryLater):
            read()


def test_it_ends_when_it_is_told_to(publisher, read):
    publisher._stop_event.set()
    publisher.run()
    assert read().plans
