"""The error of a change that is edited, and not yet applied."""


class ApplyIncomplete(Exception):
    """The inventory is changed, but not yet applied to all machines; the text says why, and what completes it."""
