"""Private photo clouds, one per customer: inventory, capacity and command line."""
