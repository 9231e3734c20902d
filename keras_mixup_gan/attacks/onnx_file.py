"""Generators in ONNX files, run by onnxruntime: nothing in them is unpickled or run."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.storage import path_of
from keras_mixup_gan.typing import FloatArray
from keras_mixup_gan.validation import reason_of, rows_in_turn

_FLOATS = {"tensor(float)": "float32", "tensor(double)": "float64"}
_FLOATS["tensor(float16)"] = "float16"
_FREE_BATCH = 256


def is_onnx(model: Any) -> bool:
    """Whether this is the path of an ONNX file."""
    is_path = isinstance(model, (str, os.PathLike))
    return is_path and Path(model).suffix.lower() == ".onnx"


class OnnxGenerator:
    """A function of latents, and of rows of labels, that an ONNX file holds.

    Its first input are latents `(num_images, latent_dim)`, or with two more axes of
    size 1; a second one, if any, are one-hot rows `(num_images, num_classes)`. Its
    first output are images.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path_of(path)
        self._session = _session(self._path)
        inputs = self._session.get_inputs()
        ranks = [len(one.shape) for one in inputs]
        sizes = [one.shape[1] if len(one.shape) > 1 else None for one in inputs]
        if not (
            ranks in ([2], [4], [2, 2], [4, 2])
            and all(one.type in _FLOATS for one in inputs)
            and all(isinstance(size, int) for size in sizes)
            and (ranks[0] == 2 or inputs[0].shape[2:] == [1, 1])
        ):
            shown = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise ValueError(
                f"The ONNX file {self._path} is no generator that is understood. "
                "Expected floats: latents (num_images, latent_dim) and, where it is "
                "conditional, one-hot rows (num_images, num_classes). Received: "
                f"{shown}. Audit it from Python, as a function `num_images -> images`."
            )
        self._inputs = inputs
        self.latent_dim, self.num_classes = (*sizes, None)[:2]
        self.name = self._path.name

    def __call__(
        self, latents: FloatArray, rows: FloatArray | None = None
    ) -> np.ndarray[Any, Any]:
        """Images of latents, in as large batches as the file takes."""
        if rows is None and self.num_classes is not None:
            rows = rows_in_turn(len(latents), self.num_classes)
        if len(self._inputs[0].shape) == 4:
            latents = latents[:, :, None, None]
        parts = [latents] if rows is None else [latents, rows]
        fixed = self._inputs[0].shape[0]
        size = fixed if isinstance(fixed, int) else _FREE_BATCH
        images = [
            self._run([part[start : start + size] for part in parts], size)
            for start in range(0, len(latents), size)
        ]
        return np.concatenate(images)

    def _run(self, parts: list[FloatArray], size: int) -> np.ndarray[Any, Any]:
        """One batch, filled up where the file takes no smaller one."""
        number = len(parts[0])
        feeds = {}
        for one, part in zip(self._inputs, parts, strict=True):
            if isinstance(one.shape[0], int):
                part = np.resize(part, (size, *part.shape[1:]))
            feeds[one.name] = part.astype(_FLOATS[one.type])
        output = self._session.get_outputs()[0].name
        return np.asarray(self._session.run([output], feeds)[0])[:number]


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"An ONNX file needs onnxruntime, which is not usable here ({error}). "
            "Install it with `pip install 'keras-mixup-gan[onnx]'`."
        ) from error
    if not path.is_file():
        raise ValueError(
            f"There is no file {path}. Expected a generator in an ONNX file. "
            f"Received: a path looked up from {Path.cwd()}."
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a type of its own for each fault
        reason = reason_of(error)
        raise ValueError(
            f"The file {path} cannot be read as an ONNX model ({reason}). Expected a "
            "complete file. Export it again."
        ) from error
