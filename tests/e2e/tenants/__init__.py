"""Customers come, pay, rest, go and return; the first of the two labs of `make test`."""
