from photo_server import credentials


def test_a_password_verifies_against_what_was_stored():
    stored = credentials.hash_password("geheim")
    assert credentials.verify_password("geheim", stored)
    assert not credentials.verify_password("geheim ", stored)


def test_two_equal_passwords_are_stored_differently():
    assert credentials.hash_password("x") != credentials.hash_password("x")


def test_tokens_differ_and_are_not_what_is_stored():
    token = credentials.new_token()
    assert token != credentials.new_token()
    assert token.encode() not in credentials.token_digest(token)
    assert credentials.token_digest(token) == credentials.token_digest(token)
