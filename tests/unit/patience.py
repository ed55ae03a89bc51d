"""How long a test waits for what must happen; as it goes on when that has happened, much patience costs nothing.

A machine that does much else at the same time needs it. What must not happen is waited for with a time of its own.
"""

PATIENCE = 60.0
LONGER = 600
"""Longer than anybody is patient: of what a test ends itself, or would wait for in vain."""
