"""After all that the other tests have done and broken, an audit of the whole server."""


def test_every_promise_holds_as_at_the_beginning(silo):
    # It says what does not hold, where it ends with another code than 0.
    silo.run("verify")
    subjects = {finding["subject"].partition("/")[0] for finding in silo.json("verify")["findings"]}
    assert {"hans", "maria", "peter"} <= subjects
