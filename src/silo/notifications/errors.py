"""The errors of letters."""


class LetterError(Exception):
    """A letter cannot be written, stored or sent; the text is a sentence for the operator."""


class TemporaryError(LetterError):
    """The relay refuses this letter for now (4xx)."""


class SessionError(TemporaryError):
    """The relay cannot be reached, or refuses everything for now: that says nothing about a letter.

    `ends_all` is whether no other letter can be sent now either.
    """

    def __init__(self, text: str, *, ends_all: bool = True) -> None:
        """Keep both."""
        super().__init__(text)
        self.ends_all = ends_all


class PermanentError(LetterError):
    """The relay will never accept this letter (5xx for its recipient or body)."""
