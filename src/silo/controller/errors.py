"""Why a backup, a restore or the rebuild of a vault did not happen."""

from __future__ import annotations


class ControllerError(Exception):
    """Nothing was changed, or what was is named; the text is a sentence that says what to do."""
