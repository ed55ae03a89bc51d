"""The model of a tenant: schema, settings, secrets and files; runs on the controller."""
