"""What is kept in PostgreSQL."""

from photo_server.store.albums import Albums
from photo_server.store.assets import Assets
from photo_server.store.metadata import Metadata
from photo_server.store.results import Results
from photo_server.store.sessions import Sessions
from photo_server.store.users import Users


class Store(Metadata, Users, Sessions, Assets, Results, Albums):
    """The database behind the API and the worker, in one object."""
