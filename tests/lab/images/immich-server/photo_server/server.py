"""The parts that a request may need, in one place."""

from dataclasses import dataclass

from aiohttp import web

from photo_server.config import SystemConfig
from photo_server.environment import Environment
from photo_server.learning import LearningClient
from photo_server.memory import Memory
from photo_server.queues import Queue
from photo_server.store import Store


@dataclass
class Server:
    """A server that has started. `config` changes when an admin stores settings."""

    environment: Environment
    config: SystemConfig
    store: Store
    queues: dict[str, Queue]
    learning: LearningClient
    memory: Memory


SERVER = web.AppKey("server", Server)
