"""Keys come from where only their owner reads, and no error ever shows one."""

import pytest

from silo.billing.stripe import credentials
from silo.billing.stripe.credentials import CredentialError

KEY = "rk_live_51abcDEF123456"
SECRETS = "whsec_firstFIRST1\nwhsec_secondSECOND2\n"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    files = (credentials.KEY_FILE, credentials.SECRETS_FILE)
    for name in (credentials.DIRECTORY, *files, credentials.CHECKOUT_KEY_FILE, credentials.CHECKOUT_SECRETS_FILE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def given(tmp_path, monkeypatch):
    def given(text, mode=0o600, variable=credentials.KEY_FILE):
        path = tmp_path / "key"
        path.write_bytes(text.encode())
        path.chmod(mode)
        monkeypatch.setenv(variable, str(path))

    return given


def test_a_file_of_its_owner(given):
    given(f"\n{KEY}\n")
    assert credentials.key() == KEY
    given(SECRETS, variable=credentials.SECRETS_FILE)
    assert credentials.secrets() == ("whsec_firstFIRST1", "whsec_secondSECOND2")


def test_the_checkout_has_a_key_and_secrets_of_its_own(given):
    assert not credentials.has_checkout_secrets()
    given(KEY, variable=credentials.CHECKOUT_KEY_FILE)
    assert credentials.checkout_key() == KEY
    with pytest.raises(CredentialError):
        credentials.key()
    secrets = ("0123456789abcdef" * 2, "fedcba9876543210" * 2)  # pragma: allowlist secret
    given("\n".join(secrets), variable=credentials.CHECKOUT_SECRETS_FILE)
    assert credentials.checkout_secrets() == secrets
    assert credentials.has_checkout_secrets()


@pytest.mark.parametrize("text", ["", "short", "with a space in it, but long enough to be one", "a" * 31])
def test_a_secret_that_could_be_guessed_is_refused(given, text):
    given(text, variable=credentials.CHECKOUT_SECRETS_FILE)
    with pytest.raises(CredentialError, match="at least 32") as caught:
        credentials.checkout_secrets()
    assert not text or text not in str(caught.value)


def test_what_systemd_gives_comes_first(given, tmp_path, monkeypatch):
    given("rk_test_51other12345")
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv(credentials.DIRECTORY, str(folder))
    assert credentials.key() == "rk_test_51other12345"
    (folder / "stripe-key").write_text(KEY)
    (folder / "stripe-webhook-secrets").write_text(SECRETS)
    assert credentials.key() == KEY
    assert len(credentials.secrets()) == 2


def test_none_is_a_sentence():
    with pytest.raises(CredentialError, match="SILO_STRIPE_KEY_FILE must name the file"):
        credentials.key()
    with pytest.raises(CredentialError, match="SILO_STRIPE_WEBHOOK_SECRETS_FILE must name the file"):
        credentials.secrets()


def test_one_that_is_away_is_a_sentence(monkeypatch):
    monkeypatch.setenv(credentials.KEY_FILE, "/nowhere/key")
    with pytest.raises(CredentialError, match="/nowhere/key cannot be read: No such file"):
        credentials.key()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_one_that_others_can_read_or_write_is_none(given, mode):
    given(KEY, mode)
    with pytest.raises(CredentialError, match="others can read") as caught:
        credentials.key()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "pk_live_51abcDEF123456", "whsec_51abcDEF123456", f"{KEY}\n{KEY}", f"{KEY} x", "rk_live_é51abcDEF12"]
)
def test_what_is_no_key_is_not_shown(given, text):
    given(text)
    with pytest.raises(CredentialError) as caught:
        credentials.key()
    assert "51abc" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ["", KEY, f"{SECRETS}{KEY}", "whsec_ short"])
def test_what_is_no_secret_is_not_shown(given, text):
    given(text, variable=credentials.SECRETS_FILE)
    with pytest.raises(CredentialError) as caught:
        credentials.secrets()
    assert "51abc" not in str(caught.value)
    assert "FIRST" not in str(caught.value)
