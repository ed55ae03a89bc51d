"""How often is too often, and for whom."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import source_limits
from ansible_collections.swissphoto.silo.plugins.module_utils.common.source_limits import Limiter, source_of
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("forged, 192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("nobody", ""),
    ],
)
def test_the_source_is_whom_the_proxy_saw(header, source):
    assert source_of(header) == source


@given(st.text(max_size=100))
def test_any_header_is_read(header):
    assert isinstance(source_of(header), str)


def test_what_is_used_comes_back_with_time():
    now = [0.0]
    limiter = Limiter(6, lambda: now[0])
    assert [limiter.allows("a", "hans") for _request in range(7)] == [True] * 6 + [False]
    now[0] += 10
    assert [limiter.allows("a", "hans") for _request in range(2)] == [True, False]
    now[0] += 3600
    assert [limiter.allows("a", "hans") for _request in range(7)] == [True] * 6 + [False]


def test_the_memory_for_sources_has_an_end(monkeypatch):
    monkeypatch.setattr(source_limits, "MOST_SOURCES", 3)
    limiter = Limiter(1, lambda: 0.0)
    for source in "abcd":
        assert limiter.allows(source, "hans")
    assert not limiter.allows("d", "hans")
    assert limiter.allows("a", "hans")
