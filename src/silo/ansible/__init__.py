"""Ansible: the one place that runs it, and what its runs answered."""
