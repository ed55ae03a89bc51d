"""The lab: a temporary server, and the internet services that it needs; Ansible treats them like real ones."""
