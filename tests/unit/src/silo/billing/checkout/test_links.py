"""Links of one customer: who has one can do what it says, for as long as it says, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.billing.checkout.links import DAY, LONGEST, LinkError, Links, Order, Payment, order_address, payment_address
from silo.notifications.letter import _ADDRESS, LONGEST_ADDRESS

OLD, NEW = "the-old-secret-of-this-test-0123456789", "the-new-secret-of-this-test-0123456789"
LARGEST = Order("a" * 31, "x" * 60, "de", f"cus_{'c' * 200}", f"{'e' * 240}@example.ch", True)


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.mark.parametrize(
    "link", [Order("hans"), Order("hans", "small", "fr", "cus_1", "", True), Payment("hans", "sub_1", "it"), LARGEST]
)
def test_it_says_what_was_put_in(link, clock):
    links = Links([NEW], clock)
    token = links.make(link, 14)
    assert links.open(token, type(link)) == link
    assert len(token) <= LONGEST


def test_it_ends_on_its_day(clock):
    links = Links([NEW], clock)
    token = links.make(Order("hans"), 14)
    clock.now += 14 * DAY - 1
    assert links.open(token, Order) == Order("hans")
    assert links.age(token) == pytest.approx(14 * DAY - 1)
    clock.now += 1
    with pytest.raises(LinkError):
        links.open(token, Order)


def test_one_kind_is_not_the_other(clock):
    links = Links([NEW], clock)
    with pytest.raises(LinkError):
        links.open(links.make(Order("hans"), 1), Payment)
    with pytest.raises(LinkError):
        links.open(links.make(Payment("hans", "sub_1"), 1), Order)


def test_two_secrets_hold_during_a_rotation_and_then_one(clock):
    token = Links([OLD], clock).make(Order("hans"), 1)
    both = Links([NEW, OLD], clock)
    assert both.open(token, Order) == Order("hans")
    made = both.make(Order("anna"), 1)
    assert Links([NEW], clock).open(made, Order) == Order("anna")
    with pytest.raises(LinkError):
        Links([NEW], clock).open(token, Order)


def test_nobody_reads_it_on_the_way(clock):
    token = Links([NEW], clock).make(Order("hans", email="hans@example.ch", customer="cus_12345"), 1)
    assert not any(part in token for part in ("hans", "cus_12345", "example"))


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_whatever_is_not_ours_is_refused_in_one_way(token):
    links = Links([NEW], Clock())
    for kind in (Order, Payment):
        with pytest.raises(LinkError, match="^this link is not valid any more$"):
            links.open(token, kind)


def test_letters_take_the_addresses(clock):
    links = Links([NEW], clock)
    pay = payment_address("billing.swissphoto.ch", links.make(Payment("a" * 31, f"sub_{'s' * 250}", "de"), 90))
    for address in (pay, order_address("billing.swissphoto.ch", links.make(LARGEST, 14))):
        assert _ADDRESS.fullmatch(address)
        assert len(address) <= LONGEST_ADDRESS
