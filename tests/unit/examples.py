"""How many examples a property is tried with: few in each run, many where $SILO_TEST_EXAMPLES is `all`."""

import os

from hypothesis import HealthCheck, settings


def examples(few: int, many: int, *suppressed: HealthCheck) -> settings:
    """Return the settings of a property: how many examples of it are tried."""
    count = many if os.environ.get("SILO_TEST_EXAMPLES") == "all" else few
    return settings(max_examples=count, suppress_health_check=suppressed)
