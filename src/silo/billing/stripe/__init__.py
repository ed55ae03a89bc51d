"""All that knows Stripe: its events, its API, its keys."""
