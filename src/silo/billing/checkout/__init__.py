"""The pages on which customers order and pay: plans, the check of a name, the way to Stripe and back."""
