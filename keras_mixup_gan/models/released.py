"""What is given away of a model: its averaged generator, without the discriminator."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_mixup_gan.models.divergence import check_weights
from keras_mixup_gan.randomness import without_secret
from keras_mixup_gan.storage import finite, write_file, write_json
from keras_mixup_gan.typing import Tensor
from keras_mixup_gan.validation import check_choice
from keras_mixup_gan.versions import __version__

if TYPE_CHECKING:
    from keras_mixup_gan.models.gan import GAN
    from keras_mixup_gan.models.networks import NetworkPair

FORMATS = ("savedmodel", "onnx")
DESCRIPTION = "generator.json"
# What may be asked of a generator that came without its discriminator.
_OF_MODEL = frozenset(
    {
        *("generate", "decode", "export_generator"),
        *("image_shape", "latent_dim", "num_classes", "class_names", "seed"),
        *("family", "title", "name", "num_steps", "mixup", "augment", "dp"),
        *("privacy", "privacy_report", "privacy_statement", "epsilon"),
    }
)
# The first of ONNX in which all operations of the families are known.
_OPSET = 17


class ReleasedGenerator:
    """A model of which only the averaged generator was given away.

    It generates, is exported and is audited as the model itself; there is no
    discriminator in it to score images, or to train further by. What it offers of its
    `model` is named as there: `generate`, `decode`, `export_generator`,
    `save_to_preset`, `image_shape`, `latent_dim`, `num_classes`, `class_names`,
    `num_steps`, `mixup`, `augment`, `dp` and `privacy_report`.

    Args:
        model: The model, whose discriminator is never asked.
    """

    release = "generator"

    def __init__(self, model: "GAN") -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        if name in _OF_MODEL:
            return getattr(self._model, name)
        raise AttributeError(
            f"A released generator has no `{name}`. Expected one of "
            f"{', '.join(sorted(_OF_MODEL))}. Received: {name}. The preset was saved "
            'with `release="generator"`; use one that holds the whole model.'
        )

    def __call__(self, inputs: Any, training: bool = False) -> Tensor:
        """Images of latents, or `[latents, labels]`."""
        return self._model(inputs)

    def __repr__(self) -> str:
        return f"<ReleasedGenerator of {type(self._model).__name__}>"

    @property
    def source(self) -> "GAN":
        """The model that it was made of; its discriminator was never trained."""
        return self._model

    def save_to_preset(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the generator as a preset, as it was read."""
        return self._model.save_to_preset(folder, self.release)

    def get_weights(self) -> list[Any]:
        """The arrays of the generator."""
        return list(self._model.ema_generator.get_weights())


def describe(model: "NetworkPair") -> dict[str, Any]:
    """What whoever is given a generator must know, as JSON values."""
    inputs = {"latents": f"float32 (num_images, {model.latent_dim}), standard normal"}
    if model.num_classes is not None:
        inputs["labels"] = f"float32 one-hot rows (num_images, {model.num_classes})"
    mixup, privacy = getattr(model, "mixup", None), getattr(model, "privacy", None)
    spent = None if privacy is None else privacy.spent._asdict()
    about = {
        "producer": f"keras_mixup_gan {__version__}",
        "class": type(model).__name__,
        "holds": "the averaged generator alone",
        "inputs": inputs,
        "images": "float32 (num_images, height, width, channels) in [-1, 1]",
        "image_shape": model.image_shape,
        "latent_dim": model.latent_dim,
        "num_classes": model.num_classes,
        "class_names": model.class_names,
        "steps": getattr(model, "num_steps", None),
        "mixup": None if mixup is None else without_secret(mixup.get_config()),
        "augment": getattr(model, "augment", None),
        "differential_privacy": spent,
    }
    return dict(json.loads(json.dumps(finite(about), default=str)))


def export_generator(
    model: "NetworkPair", path: str | os.PathLike[str], format: str = "savedmodel"
) -> Path:
    """Writes the averaged generator for serving; see `GAN.export_generator`."""
    check_choice(format, FORMATS, "format")
    path = Path(path)
    if format == "onnx" and path.suffix != ".onnx":
        raise ValueError(
            "An ONNX model is one file. Expected a name that ends in .onnx. Received: "
            f"path={str(path)!r}. Write e.g. 'generator.onnx'."
        )
    check_weights(model.ema_generator)
    if format == "onnx":
        return write_file(path, _onnx(model))
    archive = keras.export.ExportArchive()
    archive.track(model.ema_generator)
    archive.add_endpoint("serve", _images_of(model), _inputs(model))
    archive.write_out(os.fspath(path), verbose=False)
    write_json(path / DESCRIPTION, describe(model))
    return path


def _inputs(model: "NetworkPair") -> list[tf.TensorSpec]:
    sizes = {"latents": model.latent_dim, "labels": model.num_classes}
    return [
        tf.TensorSpec((None, size), tf.float32, name=name)
        for name, size in sizes.items()
        if size is not None
    ]


def _images_of(model: "NetworkPair") -> Any:
    def images_of(*inputs: Tensor) -> Tensor:
        images = model.synthesize(model.ema_generator, *inputs)
        return tf.cast(images, tf.float32)

    return images_of


def _onnx(model: "NetworkPair") -> bytes:
    """The generator as the bytes of an ONNX file, with what `describe` says."""
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            f"The format 'onnx' needs tf2onnx, which is not usable here ({error}). "
            "Install it with `pip install 'keras-mixup-gan[onnx]'`."
        ) from error
    images_of, inputs = _images_of(model), _inputs(model)

    @tf.function(autograph=False, input_signature=inputs)
    def serve(*parts: Tensor) -> dict[str, Tensor]:
        return {"images": images_of(*parts)}

    converted, _ = tf2onnx.convert.from_function(serve, inputs, opset=_OPSET)
    for value in (*converted.graph.input, *converted.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "num_images"
    about = {key: json.dumps(value) for key, value in describe(model).items()}
    onnx.helper.set_model_props(converted, about)
    return bytes(converted.SerializeToString())
