"""Numbers of a model's heads for the signal in view."""

from __future__ import annotations

import threading
from typing import Any

from biosig.errors import UsageError
from biosig.recording import Recording


class Heads:
    """The heads of a model, which is loaded when they are first asked.

    Parameters
    ----------
    name : str
        A folder of weights, or whatever `biosig.load_model` takes.
    """

    def __init__(self, name: str) -> None:
        self.title = name
        self._model: Any = None
        self._lock = threading.Lock()

    def of(self, recording: Recording, onset: float, duration: float) -> dict[str, Any]:
        """Numbers of each head for a stretch as one window.

        Returns
        -------
        dict
            `model` and its revision, and `heads`: name and value, None where the stretch lacks the modality.

        Raises
        ------
        UsageError
            If the model has no heads.
        """
        import biosig
        from biosig.sources import as_windows

        with self._lock:
            if self._model is None:
                self._model = biosig.load_model(self.title)
            model = self._model
            if not model.heads:
                raise UsageError(f"Model '{model.name}' has no heads: name weights that came with some.")
            windows = as_windows(recording.crop(onset, duration), None)
            table = biosig.embed(model, windows, window=None, heads=True, device="cpu")
        values: dict[str, Any] = {}
        for name in table.column_names:
            if name.startswith("head."):
                known = [value for value in table[name].to_pylist() if value is not None]
                values[name.removeprefix("head.")] = known[0] if known else None
        return {
            "model": f"{model.name} {model.revision}",
            "trained": model.trained,
            "heads": [{"name": name, "value": value} for name, value in values.items()],
        }
