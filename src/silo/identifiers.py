"""Identifiers that others issue, as every part of silo accepts them."""

import re

# A subscription at Stripe.
SUBSCRIPTION = re.compile(r"sub_[A-Za-z0-9_]{1,250}")
