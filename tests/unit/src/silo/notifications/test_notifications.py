"""Letters say everything, in each language, and reach a real SMTP server once."""

import contextlib
import dataclasses
import re
import socket
import sqlite3
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import pytest
from aiosmtpd.controller import Controller
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from hypothesis import given, settings
from hypothesis import strategies as st

from silo.inventory.validation import REASONS
from silo.notifications import TRUE_WHEN, of_state, with_link
from silo.notifications import letter as kinds
from silo.notifications.errors import LetterError
from silo.notifications.letter import render
from silo.notifications.message import compose, mailbox
from silo.notifications.outbox import Outbox
from silo.notifications.settings import MailSettings
from tests.unit.roles.customer_texts import texts

WHEN = datetime(2026, 7, 4, 12, 30, tzinfo=UTC)
WHO = ("hans", "https://hans.example.ch")
LINK = "https://hans.example.ch/in?a=1&b=2"
LETTERS = (
    kinds.Created(*WHO, LINK, WHEN),
    kinds.Access(*WHO, LINK, WHEN),
    kinds.Suspended(*WHO, LINK),
    kinds.Restored(*WHO),
    kinds.Undeleted(*WHO),
    kinds.PayLink(*WHO, LINK),
    kinds.PaymentFailed(*WHO, date(2026, 7, 4), LINK),
    kinds.OrderWaits(*WHO),
    kinds.NameProposed(*WHO),
    kinds.AddressChanged(*WHO),
    kinds.PlanChanged(*WHO, 500_000_000_000),
    kinds.DeletionAnnounced(*WHO, date(2026, 7, 4), 3, LINK),
    kinds.Deleted(*WHO, 1234, 1_500_000_000, WHEN, date(2026, 7, 18)),
    kinds.Quota(*WHO, 96, 100),
    kinds.Quota(*WHO, 100, 100),
    *(kinds.Suspended(*WHO, LINK, reason) for reason in REASONS if reason != "unpaid"),
    *(kinds.DeletionAnnounced(*WHO, date(2026, 7, 4), 1, LINK, reason) for reason in REASONS),
    *(kinds.Deleted(*WHO, 1234, 1_500_000_000, WHEN, date(2026, 7, 18), reason) for reason in REASONS),
    kinds.ConfirmPayment(*WHO, date(2026, 7, 4), LINK),
    kinds.OrderParked("", "https://swissphoto.ch/pay"),
)


@pytest.mark.parametrize("language", kinds.LOCALES)
@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.kind)
def test_each_letter_says_all_it_knows(letter, language):
    rendered = render(letter, language)
    tree = ElementTree.fromstring(rendered.html.partition("\n")[2])  # noqa: S314 (our own page)
    assert tree.get("lang") == language
    for body in (rendered.text, "".join(tree.itertext())):
        assert "{{" not in body and "ß" not in body and letter.name in body and letter.address in body
        for value in kinds._words(letter, language).values():
            assert isinstance(value, bool) or str(value) in body
    assert "\n" not in rendered.subject


def test_a_french_letter_begins_no_line_with_a_mark_and_writes_the_first_of_a_month():
    first = date(2026, 8, 1)
    letters = [*LETTERS, kinds.PaymentFailed(*WHO, first, LINK), kinds.DeletionAnnounced(*WHO, first, 1, LINK)]
    for letter in letters:
        rendered = render(letter, "fr")
        for text in (rendered.subject, rendered.text):
            assert not re.search(r" [?!;:](\s|$)", text), text
            assert not re.search(r"\b1 août", text)
    assert "1er août 2026" in render(letters[-1], "fr").subject


@pytest.mark.parametrize("language", kinds.LOCALES)
def test_nobody_is_thanked_for_what_they_may_not_have_done(language):
    thanks = re.compile("dank|merci pour|grazie|thank", re.IGNORECASE)
    for letter in (kinds.Restored(*WHO), kinds.Undeleted(*WHO), kinds.PayLink(*WHO, LINK)):
        assert not thanks.search(render(letter, language).text)


@pytest.mark.parametrize(
    ("language", "closed", "others"),
    [
        ("de", "geschlossen", "gesperrt|suspendiert"),
        ("fr", "fermé", "suspendu|bloqué"),
        ("it", "chiuso", "sospeso|bloccato"),
        ("en", "closed", "suspended|blocked|locked"),
    ],
)
def test_one_state_has_one_word_in_letters_and_pages(language, closed, others):
    pages = texts("pages")[language]
    letters = [render(kinds.Suspended(*WHO, LINK, reason), language) for reason in REASONS]
    shown = [f"{letter.subject} {letter.text}" for letter in letters]
    shown += [pages["cancelled"]["title"], pages["paused"]["title"]]
    for text in shown:
        assert closed in text
        assert not re.search(others, text, re.IGNORECASE)


def test_an_italian_letter_addresses_its_reader_politely():
    for letter in LETTERS:
        assert not re.search(r"\b(suo|sua|suoi|sue|lei)\b", render(letter, "it").text)


HOSTILE = [
    "evil.example/login?for=",
    "<script>{{ 7 * 7 }}",
    "x\r\nBcc: x@y.ch",
    "\u202ehans",
    "\x1b]8;;https://evil.example\x1b\\",
    "https://hans.example.ch@evil.example",
    "https://hans.example.ch.\u2066",
    "\ud800",
    "x" * 5000,
]
hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=50))


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.kind)
@given(hostile, st.sampled_from(list(kinds.LOCALES)))
@settings(max_examples=30)
def test_a_name_and_an_address_that_others_chose_are_in_no_letter(letter, text, language):
    for field in {"name", "address", "link"} & {one.name for one in dataclasses.fields(letter)}:
        try:
            rendered = render(dataclasses.replace(letter, **{field: text}), language)
        except LetterError as error:
            assert str(error) == printable(str(error), 1000)
            continue
        # What is left is plain, and can end neither an attribute nor a line.
        assert text.isascii() and not set(text) & set("<>\"'\\ \r\n")
        assert rendered.subject == printable(rendered.subject, kinds.LONGEST_SUBJECT)


@given(hostile, st.lists(hostile))
def test_a_letter_to_the_operator_quotes_what_others_wrote_and_nothing_acts(subject, lines):
    rendered = kinds.render_for_operator(subject, "\n".join(lines))
    message = compose("e", "ops@example.ch", rendered, "en", mailbox("sender", "silo@example.ch"))
    (found,) = message.get_all("Subject")
    assert "\n" not in found and len(found) <= kinds.LONGEST_SUBJECT
    assert {name for name in message if name.lower() in ("bcc", "to", "cc")} == {"To"}
    for line in rendered.text.split("\n"):
        assert line == printable(line, kinds.LONGEST_LINE)
    assert "<" not in rendered.html.removeprefix("<pre>").removesuffix("</pre>\n")


def test_a_letter_to_the_operator_has_an_end():
    rendered = kinds.render_for_operator("x", "line\n" * 10_000)
    assert len(rendered.text.splitlines()) == kinds.MOST_LINES + 1
    assert rendered.text.splitlines()[-1] == "... and 9501 more lines"


def test_what_was_sent_keeps_no_address_and_is_forgotten_in_time(post):
    _, given = post("250 ok", "554 no", "451 later")
    now = [0.0]
    outbox = Outbox(given, lambda: now[0])
    for event in ("e1", "e2", "e3"):
        outbox.enqueue(event, "hans@example.ch", LETTERS[3], "de")
    outbox.deliver()
    assert {event: state for event, (state, _error) in outbox.states().items()} == {
        "e1": "sent",
        "e2": "failed",
        "e3": "pending",
    }
    with outbox._database() as database:
        kept = database.execute("SELECT event_id FROM letter WHERE recipient <> ''").fetchall()
    assert kept == [("e3",)]
    now[0] = 399 * 86400
    with outbox._database() as database:
        outbox._forget(database)
    assert set(outbox.states()) == {"e1", "e2", "e3"}
    now[0] = 401 * 86400
    with outbox._database() as database:
        outbox._forget(database)
    assert set(outbox.states()) == {"e3"}, "what waits is never forgotten"


def test_an_outbox_of_an_older_version_forgets_from_now_on(tmp_path):
    path = tmp_path / "outbox.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE letter (event_id TEXT PRIMARY KEY, digest TEXT NOT NULL, recipient TEXT NOT NULL, body BLOB,"
            " state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,"
            " error TEXT NOT NULL DEFAULT '')"
        )
        database.execute("INSERT INTO letter (event_id, digest, recipient, state) VALUES ('e', 'd', 'a@b.ch', 'sent')")
    now = [1e9]
    given = MailSettings("127.0.0.1", 25, "silo@example.ch", path, security="none")
    outbox = Outbox(given, lambda: now[0])
    outbox.deliver()
    assert set(outbox.states()) == {"e"}
    assert b"a@b.ch" not in path.read_bytes()
    now[0] += 401 * 86400
    Outbox(given, lambda: now[0]).deliver()
    assert outbox.states() == {}


@pytest.mark.parametrize("days", ["0", "many", "89"])
def test_letters_are_remembered_for_longer_than_a_debt_runs(tmp_path, days):
    with pytest.raises(LetterError, match="^keep_days: "):
        MailSettings.of({**VARIABLES, "letters_keep_days": days}, tmp_path / "outbox.db")


@pytest.mark.parametrize("address", ["a@b.ch\r\nBcc: c@d.ch", "ab.ch", "@b.ch", "a b@c.ch", "a@", "a@-b.ch"])
def test_an_address_that_cannot_be_is_refused(address):
    with pytest.raises(LetterError, match="^recipient: "):
        mailbox("recipient", address)


def test_a_domain_beyond_ascii_is_written_as_servers_know_it():
    assert mailbox("recipient", "hans@bücher.ch").addr_spec == "hans@xn--bcher-kva.ch"


def test_no_encryption_is_refused_beyond_this_machine(tmp_path):
    with pytest.raises(LetterError, match="^security: none"):
        MailSettings("smtp.example.ch", 25, "a@b.ch", tmp_path / "o", security="none")


class Post:
    def __init__(self, *answers):
        self.answers, self.taken = list(answers), []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self.answers.pop(0)
        if answer.startswith("250"):
            self.taken.append(envelope.content)
        return answer


@pytest.fixture
def post(tmp_path):
    started = []

    def start(*answers):
        handler = Post(*answers)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        controller = Controller(handler, hostname="127.0.0.1", port=port)
        controller.start()
        started.append(controller)
        return handler, MailSettings("127.0.0.1", port, "silo@example.ch", tmp_path / "outbox.db", security="none")

    yield start
    for controller in started:
        controller.stop()


def test_refused_for_now_is_sent_later_and_once(post):
    handler, settings = post("451 later", "250 ok")
    now = [0.0]
    outbox = Outbox(settings, lambda: now[0])
    assert outbox.enqueue("e1", "hans@example.ch", LETTERS[0], "de")
    assert not outbox.enqueue("e1", "hans@example.ch", LETTERS[0], "de")
    with pytest.raises(LetterError, match="another letter"):
        outbox.enqueue("e1", "hans@example.ch", LETTERS[3], "de")
    assert outbox.deliver() == 0 and outbox.states()["e1"][0] == "pending"
    assert outbox.deliver() == 0
    now[0] = 61
    assert outbox.deliver() == 1 and outbox.deliver() == 0
    assert len(handler.taken) == 1
    assert b"in?a" not in settings.outbox.read_bytes() and settings.outbox.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def away(tmp_path):
    """An outbox whose relay does not listen, and its clock."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    now = [1e9]
    given = MailSettings("127.0.0.1", port, "silo@example.ch", tmp_path / "outbox.db", security="none")
    return Outbox(given, lambda: now[0]), now


def test_a_relay_that_is_away_for_days_loses_no_letter(away, post):
    outbox, now = away
    outbox.enqueue("restored/hans/1", "hans@example.ch", kinds.Restored(*WHO), "de")
    outbox.enqueue_for_operator("billing/operator/1", "ops@example.ch", "x", "y")
    looks = 0
    for _each in range(3 * 24 * 12):  # the timer of three days
        before = {one.event: one.due for one in outbox.waiting()}
        outbox.deliver()
        looks += before != {one.event: one.due for one in outbox.waiting()}
        assert all(one.due <= now[0] + 3600 for one in outbox.waiting())
        now[0] += 300
    assert looks > 72 and {state for state, _error in outbox.states().values()} == {"pending"}
    assert outbox.unanswered_since() == 1e9 and outbox.lost() == ()
    handler, settings = post("250 ok", "250 ok")
    assert Outbox(settings, lambda: now[0] + 3600).deliver() == 2 and len(handler.taken) == 2


class Session(Post):
    """A relay that answers the sender and the recipient so."""

    def __init__(self, sender="250 ok", recipient="250 ok"):
        super().__init__("250 ok", "250 ok")
        self.sender, self.recipient = sender, recipient

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        envelope.mail_from = address
        return self.sender

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.recipient if address == "hans@example.ch" else "250 ok"


@pytest.mark.parametrize(
    ("said", "sent", "counted"),
    [
        ({"sender": "451 later"}, 0, (0, 0)),
        ({"recipient": "421 busy"}, 1, (0, 0)),
        ({"recipient": "450 grey"}, 1, (1, 0)),
    ],
)
def test_only_an_answer_about_a_letter_counts_as_an_attempt(tmp_path, said, sent, counted):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Session(**said), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        given = MailSettings("127.0.0.1", port, "silo@example.ch", tmp_path / "outbox.db", security="none")
        outbox = Outbox(given)
        outbox.enqueue("restored/hans/1", "hans@example.ch", kinds.Restored(*WHO), "de")
        outbox.enqueue("restored/anna/1", "anna@example.ch", kinds.Restored("anna", "https://anna.example.ch"), "de")
        assert outbox.deliver() == sent, "one letter that the relay hangs up on keeps no other waiting"
        with outbox._database() as database:
            rows = database.execute("SELECT attempts FROM letter ORDER BY event_id DESC").fetchall()
        assert tuple(one for (one,) in rows) == counted
        assert outbox.states()["restored/hans/1"][0] == "pending"
    finally:
        controller.stop()


def test_a_sender_that_is_refused_is_a_setting_and_loses_no_letter(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Session("553 not yours"), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        given = MailSettings("127.0.0.1", port, "silo@example.ch", tmp_path / "outbox.db", security="none")
        outbox = Outbox(given)
        outbox.enqueue("restored/hans/1", "hans@example.ch", kinds.Restored(*WHO), "de")
        with pytest.raises(LetterError, match="refuses the sender: 553"):
            outbox.deliver()
        state, error = outbox.states()["restored/hans/1"]
        assert state == "pending" and "refuses the sender" in error
    finally:
        controller.stop()


def test_a_letter_that_the_relay_refuses_for_now_has_an_end_after_days(post):
    _, settings = post(*["451 later"] * 200)
    now = [0.0]
    outbox = Outbox(settings, lambda: now[0])
    outbox.enqueue("e1", "hans@example.ch", LETTERS[3], "de")
    while outbox.states()["e1"][0] == "pending":
        outbox.deliver()
        now[0] += 3600
    assert 3 * 86400 < now[0] < 6 * 86400


@pytest.mark.parametrize(
    ("letter", "days"),
    [
        (kinds.Created(*WHO, LINK, datetime(2001, 9, 12, tzinfo=UTC)), 3),
        (kinds.PayLink(*WHO, LINK), 3),
        (kinds.DeletionAnnounced(*WHO, date(2001, 9, 23), 14, LINK), 14),
        (kinds.PaymentFailed(*WHO, date(2001, 9, 16), LINK), 7),
        (kinds.Quota(*WHO, 1, 2), 7),
    ],
    ids=lambda one: getattr(one, "kind", None),
)
def test_a_letter_that_is_true_no_more_is_not_sent(away, letter, days):
    outbox, now = away  # on the 9th of September 2001
    outbox.enqueue(f"{letter.kind}/hans/1", "hans@example.ch", letter, "de")
    now[0] += (days - 1) * 86400
    outbox.deliver()
    assert outbox.states()[f"{letter.kind}/hans/1"][0] == "pending"
    now[0] += 2 * 86400
    outbox.deliver()
    state, error = outbox.states()[f"{letter.kind}/hans/1"]
    assert state == "failed" and "as long as it was true" in error and "cannot be reached" in error


def test_a_letter_of_a_test_clock_waits_as_others_do(away):
    outbox, _now = away
    outbox.enqueue("payment_failed/hans/1", "h@b.ch", kinds.PaymentFailed(*WHO, date(2000, 1, 1), LINK), "de")
    outbox.deliver()
    assert outbox.states()["payment_failed/hans/1"][0] == "pending"


def test_a_newer_letter_takes_back_what_it_makes_untrue(away):
    outbox, _now = away
    notices = [kinds.DeletionAnnounced(*WHO, date(2001, 9, 23), days, LINK) for days in (14, 7)]
    outbox.enqueue("deletion_announced/hans/2001-09-23@14", "h@b.ch", notices[0], "de")
    outbox.enqueue("suspended/hans/1", "h@b.ch", kinds.Suspended(*WHO, LINK), "de")
    outbox.enqueue("suspended/hans2/1", "h@b.ch", kinds.Suspended("hans2", "https://hans2.example.ch", LINK), "de")
    outbox.enqueue("suspended/hans/0", "other@b.ch", kinds.Suspended(*WHO, LINK), "de")
    outbox.enqueue("deletion_announced/hans/2001-09-23@7", "h@b.ch", notices[1], "de")
    outbox.enqueue("restored/hans/1", "h@b.ch", kinds.Restored(*WHO), "de")
    left = {"deletion_announced/hans/2001-09-23@7", "restored/hans/1", "suspended/hans2/1", "suspended/hans/0"}
    assert set(outbox.states()) == left


def test_the_kinds_are_those_of_the_letters():
    def below(one):
        return {one, *(each for child in one.__subclasses__() for each in below(child))}

    known = {one.kind for one in below(kinds.Letter) - {kinds.Letter}}
    assert known == kinds.KINDS and {*kinds.OUTDATES, *set().union(*kinds.OUTDATES.values())} <= known


def test_a_failed_letter_is_lost_until_a_later_one_arrives(post):
    _, settings = post("554 no", "554 no", "554 no", "250 ok", "250 ok")
    now = [1e9]
    outbox = Outbox(settings, lambda: now[0])
    link = kinds.Created(*WHO, LINK, WHEN)
    outbox.enqueue("created/hans/1", "h@b.ch", link, "de")
    outbox.enqueue("plan_changed/hans/1", "h@b.ch", kinds.PlanChanged(*WHO, 7), "de")
    outbox.enqueue_for_operator("billing/operator/1", "ops@example.ch", "x", "y")
    outbox.deliver()

    def lost():
        return {one.event for one in outbox.lost()}

    assert lost() == {"created/hans/1", "plan_changed/hans/1"}
    now[0] += 60
    outbox.enqueue("restored/hans/1", "h@b.ch", kinds.Restored(*WHO), "de")
    assert lost() == {"created/hans/1", "plan_changed/hans/1"}
    outbox.deliver()
    assert lost() == {"created/hans/1"}, "without a link, nobody can log in"
    outbox.enqueue("access/hans/2", "h@b.ch", kinds.Access(*WHO, LINK, WHEN), "de")
    outbox.deliver()
    assert lost() == set()
    with outbox._database() as database:
        database.execute("DELETE FROM letter WHERE state = 'sent'")
    assert lost() == {"created/hans/1", "plan_changed/hans/1"}
    now[0] += 31 * 86400
    assert lost() == set()


def test_a_letter_that_was_taken_back_while_the_relay_answered_is_not_sent(post):
    handler, settings = post("250 ok")
    outbox = Outbox(settings)
    outbox.enqueue("restored/hans/1", "h@b.ch", kinds.Restored(*WHO), "de")
    with outbox._database() as database:
        row = database.execute("SELECT event_id, recipient, body, attempts FROM letter").fetchone()
        assert outbox.withdraw("restored/hans/1")
        assert not outbox._send(database, *row)
    assert handler.taken == [] and outbox.states() == {}


def test_refused_for_good_needs_attention(post):
    _, settings = post("554 no")
    outbox = Outbox(settings)
    outbox.enqueue("e1", "hans@example.ch", LETTERS[0], "fr")
    assert outbox.deliver() == 0 and outbox.states()["e1"][0] == "failed"


def test_a_letter_cut_off_while_sending_needs_attention(post):
    handler, settings = post("250 ok")
    outbox = Outbox(settings)
    outbox.enqueue("e1", "hans@example.ch", LETTERS[0], "it")
    with outbox._database() as database:
        database.execute("UPDATE letter SET state = 'sending'")
    assert outbox.deliver() == 0 and outbox.states()["e1"][0] == "failed" and handler.taken == []


def test_what_waits_is_tried_at_once_where_somebody_asks(post):
    handler, settings = post("451 later", "250 OK")
    outbox = Outbox(settings)
    outbox.enqueue("created/hans/1", "hans@example.ch", kinds.Restored(*WHO), "de")
    assert [outbox.deliver(), outbox.deliver(), outbox.deliver(at_once=True)] == [0, 0, 1]
    assert len(handler.taken) == 1


def test_a_debt_is_one_until_it_is_forgotten(tmp_path):
    outbox = Outbox(MailSettings("127.0.0.1", 25, "silo@example.ch", tmp_path / "outbox.db", security="none"))
    assert outbox.queue_notification("hans", "created")
    assert not outbox.queue_notification("hans", "created")
    assert outbox.queue_notification("hans", "access")
    assert outbox.queue_notification("maria", "created")
    assert {debt.kind for debt in outbox.pending_notifications("hans")} == {"access", "created"}
    first = outbox.pending_notifications("maria")[0]
    assert first.event.startswith("created/maria/20")
    outbox.forget("hans", "created")
    assert len(outbox.pending_notifications()) == 2


VARIABLES = {
    "letters_relay_host": "smtp.example.ch",
    "letters_relay_port": "587",
    "letters_relay_security": "starttls",
    "letters_relay_user": "",
    "letters_relay_password_file": "",
    "letters_sender": "photos@example.ch",
}


def test_settings_come_from_the_inventory(tmp_path):
    settings = MailSettings.of(VARIABLES, tmp_path / "outbox.db")
    assert (settings.host, settings.port, settings.sender) == ("smtp.example.ch", 587, "photos@example.ch")
    assert MailSettings.of({**VARIABLES, "letters_relay_host": ""}, tmp_path / "outbox.db") is None


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"letters_relay_port": "lots"}, "port: 'lots' is not a number; usual are 587 and 465"),
        ({"letters_sender": "nobody"}, "sender: 'nobody' is not an e-mail address"),
        ({"letters_sender": ""}, "a letter needs a relay, a port and a sender"),
        ({"letters_relay_user": "silo"}, "user and password_file: give both, or neither"),
    ],
)
def test_wrong_settings_are_told(tmp_path, wrong, problem):
    with pytest.raises(LetterError, match=problem):
        MailSettings.of({**VARIABLES, **wrong}, tmp_path / "outbox.db")


@pytest.mark.parametrize("language", kinds.LOCALES)
@pytest.mark.parametrize("kind", TRUE_WHEN)
def test_what_happens_to_a_tenant_has_a_letter(kind, language):
    brings_link = kind in ("created", "access")
    letter = with_link(kind, *WHO, LINK, WHEN) if brings_link else of_state(kind, *WHO, LINK, 10**11)
    assert letter.kind == kind
    assert render(letter, language).subject


def test_a_letter_that_tells_what_is_true_no_more_is_taken_back_while_it_waits(tmp_path):
    outbox = Outbox(MailSettings("127.0.0.1", 9, "a@b.ch", tmp_path / "o", security="none"))
    outbox.enqueue("deletion_announced/hans/2026-12-31@14", "h@b.ch", kinds.Restored(*WHO), "de")
    assert outbox.withdraw("deletion_announced/hans/2026-12-31@14")
    assert not outbox.withdraw("deletion_announced/hans/2026-12-31@14")
    assert outbox.states() == {}


def test_a_pending_notification_keeps_where_its_customer_can_pay(tmp_path):
    settings = MailSettings("127.0.0.1", 9, "a@b.ch", tmp_path / "o", security="none")
    assert Outbox(settings).queue_notification("hans", "suspended", LINK)
    assert not Outbox(settings).queue_notification("hans", "suspended", "https://pay.example.ch/other")
    assert [(one.tenant, one.link) for one in Outbox(settings).pending_notifications()] == [("hans", LINK)]
