"""Reads each tenant's usage from a timer, adds it to the ledger, and exports it to Prometheus."""
