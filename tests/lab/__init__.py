"""The lab: a throw-away server, and the rest of the world around it, that look to Ansible like the real ones."""
