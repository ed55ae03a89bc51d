"""The page behind a one-time link, on which a customer sets a password. Runs on every server."""
