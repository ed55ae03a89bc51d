"""Who pays has a photo cloud: events of Stripe, what they mean for a tenant, and the service that sees to it."""
