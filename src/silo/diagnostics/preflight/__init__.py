"""Whether the ground is sound on which tenants stand: names, doors, servers, storage, letters, secrets."""
