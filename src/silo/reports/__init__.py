"""Reports on all tenants: usage, billing periods, alerts."""
