"""What an operator reads of all tenants: what they use, what they cost, what is wrong."""
