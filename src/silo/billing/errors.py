"""What goes wrong on the way from an event of Stripe to a tenant, in one tree."""


class BillingError(Exception):
    """Something of billing that cannot be; the text is a sentence for the operator, without secrets."""


class TryLater(BillingError):
    """Stripe, Ansible or another run is in the way, and may not be later; the event is tried again."""


class NeedsAttention(BillingError):
    """Nothing can be done without guessing, as for an unknown price; the operator gets the sentence by mail."""


class NeedsAttentionReported(NeedsAttention):
    """As NeedsAttention, where the operator already has a letter of its own on it."""
