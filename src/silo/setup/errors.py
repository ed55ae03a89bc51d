"""The error of a machine that cannot be looked at."""

from __future__ import annotations


class SetupError(Exception):
    """A machine does not answer, or is not what it must be; the text says what to do. Nothing was written."""
