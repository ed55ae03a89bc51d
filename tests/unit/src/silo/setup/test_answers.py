"""Each answer is checked as it is given, with the field, the value, and what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.inventory import InventoryError
from silo.setup import answers
from silo.setup.answers import Place, Relay
from silo.setup.machine import Listener
from silo.setup.target import Target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("192.0.2.10", Target("192.0.2.10")),
        ("root@silo1.example.ch", Target("silo1.example.ch")),
        ("admin@192.0.2.10:2222", Target("192.0.2.10", "admin", 2222)),
        ("2001:db8::10", Target("2001:db8::10")),
        ("root@[2001:db8::10]:2222", Target("2001:db8::10", "root", 2222)),
        ("[2001:db8::10]", Target("2001:db8::10")),
    ],
)
def test_a_target_is_read_as_ssh_writes_it(text, target):
    assert Target.parse(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=id",
        "root@-x",
        "@x",
        "x:0",
        "x:99999",
        "a b",
        "root@[x]",
        "Root@x",
        "x/y",
        "fe80::1%eth0",
        "{{x}}",
    ],
)
def test_what_ssh_would_take_for_something_else_is_refused(text):
    with pytest.raises(InventoryError, match="server is .*; it must be an address or a name"):
        Target.parse(text)


@given(st.text(max_size=60))
def test_no_target_begins_as_an_option_does(text):
    try:
        target = Target.parse(text)
    except InventoryError:
        return
    assert not target.host.startswith("-")
    assert not target.user.startswith("-")


@pytest.mark.parametrize("text", ["swissphoto.ch", "*.swissphoto.ch", "SwissPhoto.ch.", " swissphoto.ch "])
def test_a_domain_may_be_typed_as_its_record_is_named(text):
    assert answers.domain(text) == "swissphoto.ch"


WRONG = [
    (answers.domain, "swissphoto", "domain is"),
    (answers.domain, "müller.ch", "in its ASCII form"),
    (answers.domain, "192.0.2.10", "domain is"),
    (answers.contact, "ops", "contact is 'ops'; it must be an address"),
    (answers.contact, "{{x}}@a.ch", "contact is"),
    (lambda text: answers.size("--memory", text), "64", "without a letter it counts bytes"),
    (lambda text: answers.size("--memory", text), "much", "--memory is 'much'"),
    (lambda text: answers.name("--name", text), "tenants", "--name is 'tenants'"),
    (lambda text: answers.name("--name", text), "Silo-1", "lower-case letters"),
    (lambda text: Place.parse("--uploads", text), "/dev/../etc/passwd", "--uploads is"),
    (lambda text: Place.parse("--uploads", text), "/home/x", "--uploads is"),
    (answers.port, "0", "open port is '0'"),
    (answers.port, "9100/sctp", "open port is"),
    (answers.relay_host, "me@smtp.example.ch", "relay is"),
    (answers.payment_url, "http://a.ch/pay", "payment page is"),
    (answers.payment_url, "https://{{ domain }}/pay", "payment page is"),
    (lambda text: answers.plain("relay user", text), "a\nb", "relay user is"),
]


@pytest.mark.parametrize(("check", "text", "sentence"), WRONG)
def test_a_wrong_answer_is_refused_by_a_sentence(check, text, sentence):
    with pytest.raises(InventoryError) as refused:
        check(text)
    assert sentence in str(refused.value)
    assert str(refused.value).isprintable()


def test_sizes_are_whole_numbers_of_their_unit():
    assert answers.size("x", "1024G") == "1T"
    assert answers.size("x", "1.5T") == "1536G"
    assert answers.size("x", "4000000000") == "3906250K"
    assert (Place.parse("x", "400 GiB"), Place.parse("x", "/dev/sdb")) == (Place(size="400G"), Place(device="/dev/sdb"))


def test_ports_and_relays():
    assert (answers.port("9100"), answers.port("51820/udp")) == (Listener("tcp", 9100, ""), Listener("udp", 51820, ""))
    assert answers.relay_host("smtp.example.ch") == ("smtp.example.ch", 587)
    assert answers.relay_host("smtp.example.ch:465") == ("smtp.example.ch", 465)
    assert answers.relay_host("[2001:db8::1]") == ("2001:db8::1", 587)
    kinds = [Relay(host, port, "a@b.ch").security for host, port in (("s.ch", 587), ("s.ch", 465), ("127.0.0.1", 25))]
    assert kinds == ["starttls", "tls", "none"]
    assert Relay("s.ch", 25, "a@b.ch").security == "starttls", "another machine is never told a password in the clear"
