"""What the controller seals, the server unseals, and nobody else; links that are on their way stay good."""

import secrets

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import tickets
from cryptography.fernet import InvalidToken

TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-_"  # pragma: allowlist secret
# "secret", as the version before this module sealed it.
SEALED = (
    "gAAAAABrDYfVSA61gSzD0mpThzGXvTuMxAW0jsu2kWgsQJxiuG"  # pragma: allowlist secret
    "azuXGP1BNHLnsdML8zwHa7GsvmMzQiB3lHqT9TGyma15Wexg=="  # pragma: allowlist secret
)


def test_only_its_token_opens_what_was_sealed():
    sealed = tickets.seal(TOKEN, "secret")
    assert "secret" not in sealed
    assert tickets.unseal(TOKEN, sealed) == "secret"
    with pytest.raises(InvalidToken):
        tickets.unseal(TOKEN[::-1], sealed)


def test_links_that_customers_have_already_stay_good():
    # Of an earlier version: another derivation would end every open link.
    assert tickets.password(TOKEN) == "XQXRylyWZfDRHZQQzYJ_WSUj8qmtMvEHLy3kg9gnc14="  # pragma: allowlist secret
    assert tickets.unseal(TOKEN, SEALED) == "secret"


def test_a_token_is_known():
    assert tickets.is_token(secrets.token_urlsafe(tickets.TOKEN_BYTES))
    for wrong in ("", TOKEN[:-1], f"{TOKEN}\n", TOKEN.replace("a", "\xe4"), TOKEN.replace("-", "/")):
        assert not tickets.is_token(wrong)


def test_a_machine_without_cryptography_says_so(monkeypatch):
    monkeypatch.setattr(tickets, "HAS_CRYPTOGRAPHY", False)
    with pytest.raises(tickets.SealError, match="cryptography is not installed"):
        tickets.seal(TOKEN, "secret")
