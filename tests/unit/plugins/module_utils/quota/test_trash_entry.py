from __future__ import annotations

import datetime

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, State, Survey
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash_entry import (
    Entry,
    entries,
    parse_place,
    parse_when,
)
from hypothesis import given
from hypothesis import strategies as st

WHEN = datetime.datetime(2026, 11, 23, 16, 57, 5, tzinfo=datetime.UTC)
HANS = Entry("hans", 1, WHEN)
PLACE = ".trash/20261123T165705Z-hans-1"


def test_the_place_says_whose_it_was_and_since_when() -> None:
    assert HANS.place == PLACE
    assert HANS.mark.place == f"{PLACE}.purging"
    assert parse_place(PLACE) == HANS
    assert parse_place(f"{PLACE}.purging") == HANS.mark


@pytest.mark.parametrize(
    "place",
    [
        "hans",
        ".trash",
        ".trash/hans",
        "20261123T165705Z-hans-1",
        f"{PLACE}.purging.purging",
        f"{PLACE}\n",
        f"{PLACE}/uploads",
        f"/{PLACE}",
        f".trash/{PLACE}",
        PLACE.replace("-1", "-0"),
        PLACE.replace("-1", "-01"),
        PLACE.replace("hans", "Hans"),
        PLACE.replace("hans", "../hans"),
        PLACE.replace("1123", "1323"),
        PLACE.replace("1123", "0231"),
        PLACE.replace("1123", "\u0661\u0661\u0662\u0663"),
    ],
)
def test_what_was_not_put_there_is_nobodys(place: str) -> None:
    assert parse_place(place) is None


TIMES = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(
    lambda when: when.replace(microsecond=0, tzinfo=datetime.UTC)
)
NAMES = st.from_regex(r"[a-z][a-z0-9]{1,30}", fullmatch=True)
ENTRIES = st.builds(Entry, NAMES, st.integers(1, 2**32 - 2), TIMES, st.booleans())


@given(ENTRIES, ENTRIES)
def test_a_place_is_read_as_it_was_written_and_serves_one_alone(one: Entry, other: Entry) -> None:
    assert parse_place(one.place) == one
    assert (one.place == other.place) == (one == other)
    assert one.place.count("/") == 1
    assert parse_when(one.when.isoformat()) == one.when


@given(st.text(max_size=60) | st.text(max_size=40).map(".trash/20261123T165705Z-{}".format))
def test_any_place_is_an_entry_of_that_place_or_nobodys(place: str) -> None:
    found = parse_place(place)
    assert found is None or found.place == place


@pytest.mark.parametrize(
    "text", ["2026-11-23T16:57:05+00:00", "2026-11-23T16:57:05Z", "2026-11-23 16:57:05+00:00", "20261123T165705Z"]
)
def test_a_time_may_be_written_in_the_ways_of_iso_8601(text: str) -> None:
    assert parse_when(text) == WHEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-23",
        "2026-11-23T16:57:05",
        "2026-11-23T16:57:05+01:00",
        "2026-11-23T16:57:05.5+00:00",
        "2026-13-23T16:57:05+00:00",
        "../../etc",
    ],
)
def test_another_time_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(QuotaError) as caught:
        parse_when(text)
    assert str(caught.value) == (
        f"the time of deletion '{text}' must be UTC in ISO 8601, such as 2026-11-23T16:57:05+00:00"
    )


@given(st.text(max_size=40))
def test_any_text_is_a_time_in_utc_or_a_sentence(text: str) -> None:
    try:
        when = parse_when(text)
    except QuotaError as error:
        assert str(error).startswith("the time of deletion '")
    else:
        assert when.utcoffset() == datetime.timedelta(0)


def test_the_oldest_comes_first_and_what_is_nobodys_not_at_all() -> None:
    later = Entry("anna", 2, WHEN + datetime.timedelta(days=1))
    survey = Survey({}, {}, {later.place: State(), PLACE: State(), ".trash/notes": State()})
    assert entries(survey) == [HANS, later]
