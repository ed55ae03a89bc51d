"""Behaviours, proved from outside: as a customer, as a stranger, as the operator, and by looking at the machine."""
