"""What each tenant uses, looked at by a timer: added to the ledger, and told to Prometheus."""
