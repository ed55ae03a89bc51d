"""What goes wrong with letters, in one tree."""


class LetterError(Exception):
    """A letter that cannot be written, kept or sent; the text is a sentence for the operator."""


class TemporaryError(LetterError):
    """The relay, or the way to it, may do better later (4xx, network)."""


class PermanentError(LetterError):
    """The relay will never take this (5xx to its sender, recipient or body)."""
