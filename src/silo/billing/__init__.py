"""Billing: receives events of Stripe, decides what they mean for a tenant, and carries that out."""
