"""The models as the real service keeps them, with the small files of this stand-in in place of networks.

Each request's options go to the constructor of a model and to each prediction, whatever they are, and the cache of
models does not know them: what the first request says of a model, holds for all.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

_log = logging.getLogger("machine_learning")
CONTENT = b"a model of the lab\n"
PRELOAD = "MACHINE_LEARNING_PRELOAD__"
# As the environment names them.
KINDS = {
    "CLIP__TEXTUAL": ("clip", "textual"),
    "CLIP__VISUAL": ("clip", "visual"),
    "FACIAL_RECOGNITION__DETECTION": ("facial-recognition", "detection"),
    "FACIAL_RECOGNITION__RECOGNITION": ("facial-recognition", "recognition"),
    "OCR__DETECTION": ("ocr", "detection"),
    "OCR__RECOGNITION": ("ocr", "recognition"),
}


class Session:
    """A model in memory."""

    def run(self) -> None:
        """Predict; a model that is none has no such method, and the request ends with 500."""


class Model:
    """A model of a task and a type. `session` and `cache_dir` are there for tests of the real service."""

    def __init__(
        self,
        task: str,
        kind: str,
        name: str,
        *,
        cache_dir: str | None = None,
        model_format: str = "onnx",
        session: Any = None,
        **_options: Any,
    ) -> None:
        """Nothing is read yet."""
        self.loaded, self._attempts, self._name = session is not None, 0, name
        self._directory = Path(cache_dir) if cache_dir is not None else _cache() / task / name
        self._path = self._directory / kind / f"model.{model_format}"
        self.session = session

    def predict(self) -> None:
        """Load the model, by two attempts, between which its directory is emptied."""
        if not self.loaded:
            try:
                self._load()
            except OSError:
                _log.warning("Failed to load model '%s'. Clearing cache.", self._name)
                if self._directory.exists():
                    shutil.rmtree(self._directory)
                    self._directory.mkdir(parents=True)
                self._load()
        self.session.run()

    def _load(self) -> None:
        self._attempts += 1
        if self._attempts > 2:
            raise RuntimeError(f"Failed to load model '{self._name}'")
        if not self._path.is_file():
            self._download()
        if self._path.read_bytes() != CONTENT:
            raise OSError(f"{self._path} is not a model")
        self.session, self.loaded = Session(), True

    def _download(self) -> None:
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            raise OSError(f"{self._path} is missing, and HF_HUB_OFFLINE is set")
        _log.info("Downloading model '%s' to %s. This may take a while.", self._name, self._path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(CONTENT)


class Models:
    """The cache of models, by name, type and task alone."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known: dict[str, Model] = {}

    def predict(self, task: str, kind: str, name: str, options: dict[str, Any]) -> None:
        """Let a model predict; raises whatever the options break."""
        key = f"{name}{kind}{task}"
        if key not in self._known:
            self._known[key] = Model(task, kind, name, **options)
        self._known[key].predict()

    def preload(self, environment: dict[str, str]) -> None:
        """Load what the environment names; raises OSError, with which the service does not start."""
        for key, (task, kind) in KINDS.items():
            for name in filter(None, environment.get(f"{PRELOAD}{key}", "").split(",")):
                self.predict(task, kind, name.strip(), {})


def _cache() -> Path:
    return Path(os.environ.get("MACHINE_LEARNING_CACHE_FOLDER", "/cache"))
