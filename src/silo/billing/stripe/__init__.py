"""Everything that depends on Stripe: its events, its API and its keys."""
