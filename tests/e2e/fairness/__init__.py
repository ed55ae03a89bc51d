"""Looking at a server, its limits, attacking and breaking it; the second of the two labs of `make test`."""
