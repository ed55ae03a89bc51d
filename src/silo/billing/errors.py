"""The errors of billing."""


class BillingError(Exception):
    """Base class of these errors; the text is a message for the operator, and contains no secret."""


class TryLater(BillingError):
    """A retry may succeed, for example when Stripe answers again or another run has ended.

    `ends` says what must happen first, as a clause after "until".
    """

    def __init__(self, text: str, ends: str = "what it names works again") -> None:
        """Keep both."""
        super().__init__(text)
        self.ends = ends


class NeedsAttention(BillingError):
    """Silo would have to guess, for example the plan of an unknown price; the operator gets the text by mail.

    `about` are lines for that letter: customer, tenant, subscription and amount; empty if the text says it all. `ends`
    is that of TryLater.
    """

    def __init__(self, text: str, about: str = "", ends: str = "what it names is corrected") -> None:
        """Keep all three."""
        super().__init__(text)
        self.about, self.ends = about, ends


class NeedsAttentionReported(NeedsAttention):
    """Like NeedsAttention, but the operator has already got a more detailed letter."""
