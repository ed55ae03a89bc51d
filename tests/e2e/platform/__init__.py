"""Looking at a server, attacking and breaking it; the second of the two labs of `make test`."""
