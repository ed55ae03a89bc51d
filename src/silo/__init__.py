"""Private photo clouds, one per customer: inventory, capacity and command line."""

from silo.repository import make_collection_importable

# What servers do is written once, in the collection, and used here too.
make_collection_importable()
