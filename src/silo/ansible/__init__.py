"""Ansible: the one way to run it, and the results of its runs."""
