"""The error of a change that is edited, and not yet applied."""

# What failed may be a machine, or a wish that it refuses: nothing completes itself before that.
MENDED = "Once what failed is mended"


class ApplyIncomplete(Exception):
    """The inventory is changed, but not yet applied to all machines; the text says why, and what completes it."""
