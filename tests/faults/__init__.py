"""The catalogue of faults: what must hold, how each is broken, and what the tests that break it have seen."""
