"""The errors of letters."""


class LetterError(Exception):
    """A letter cannot be written, stored or sent; the text is a sentence for the operator."""


class TemporaryError(LetterError):
    """A temporary failure of the relay or the network (4xx)."""


class PermanentError(LetterError):
    """The relay will never accept this letter (5xx for its sender, recipient or body)."""
