"""What Postgres keeps of a password: as in the example of RFC 7677, and anew each time."""

import base64

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.scram import verifier

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
EXAMPLE = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="  # pragma: allowlist secret
)


def test_the_example_of_the_standard():
    assert verifier("pencil", SALT) == EXAMPLE


def test_each_has_a_salt_of_its_own():
    assert verifier("pencil") != verifier("pencil")


@pytest.mark.parametrize("password", ["pässword", "a\nb"])
def test_what_would_have_to_be_prepared_first_is_refused(password):
    with pytest.raises(ValueError, match="plain ASCII"):
        verifier(password)
