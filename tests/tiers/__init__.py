"""The tiers of tests, and the program that runs one: `make check`, `make test`, `make test-all`."""
