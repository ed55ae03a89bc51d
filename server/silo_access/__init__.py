"""The page on which a customer sets a password of their own, reached by a one-time link. Runs on every server."""
