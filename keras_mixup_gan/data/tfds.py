"""Reads data sets of TensorFlow Datasets: from disk where they are prepared."""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_mixup_gan.data import cache
from keras_mixup_gan.data.classes import Images
from keras_mixup_gan.data.images import Options
from keras_mixup_gan.storage import path_of
from keras_mixup_gan.validation import did_you_mean, reason_of

_SOURCE = re.compile(
    r"tfds:(?P<name>\w+)(?:/(?P<config>[^/:]+))?"
    r"(?::(?P<version>\d+\.\d+\.\d+))?(?::(?P<split>.+))?"
)
_METADATA = ("features.json", "dataset_info.json")
_LABELS = 4096  # that are read at once


def load_tfds(source: str, options: Options) -> Images:
    """The images and, where the data set has them, the labels of a split.

    The split of a source may be a slice, `train[:10%]`, or a sum, `train+test`.
    """
    parsed = _SOURCE.fullmatch(source)
    if parsed is None:
        raise ValueError(
            "The source names no data set. Expected 'tfds:name', optionally followed "
            "by /config, :version and :split, e.g. 'tfds:mnist:train[:5000]'. "
            f"Received: source={source!r}."
        )
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"The source {source!r} needs tensorflow-datasets. Install it with "
            '`pip install "keras-mixup-gan[tfds]"`.'
        ) from error
    default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    root = path_of(options.data_dir or default)
    prepared = _find_prepared(root, parsed["name"], parsed["config"], parsed["version"])
    if prepared is not None:
        builder = _prepared(tfds, prepared)
    else:
        builder = _download(tfds, parsed, root)
    split = parsed["split"] or "train"
    return _read(tfds, builder, split, options)


def _prepared(tfds: Any, folder: Path) -> Any:
    try:
        return tfds.builder_from_directory(str(folder))
    except Exception as error:  # of Protobuf, JSON or the file system
        reason = reason_of(error)
        raise ValueError(
            f"The data set in {folder} cannot be read ({reason}). Expected what "
            "tensorflow-datasets wrote there. Delete that folder and prepare the data "
            "set again."
        ) from error


def _find_prepared(
    root: Path, name: str, config: str | None, version: str | None
) -> Path | None:
    """The newest prepared copy on disk, found without asking the network."""
    folder = root / name / config if config else root / name
    copies = _versions(folder)
    if not copies and not config and folder.is_dir():
        configs = [sub for sub in sorted(folder.iterdir()) if _versions(sub)]
        if len(configs) > 1:
            raise ValueError(
                f"The data set {name!r} has several configurations in {root}. Expected "
                f"one of {', '.join(sub.name for sub in configs)}. Received: none. "
                f"Write e.g. 'tfds:{name}/{configs[0].name}'."
            )
        copies = _versions(configs[0]) if configs else {}
    if version is not None:
        return copies.get(tuple(map(int, version.split("."))))
    return copies[max(copies)] if copies else None


def _versions(folder: Path) -> dict[tuple[int, ...], Path]:
    """The complete versions in a folder: those that tfds can read without code."""
    if not folder.is_dir():
        return {}
    return {
        tuple(map(int, sub.name.split("."))): sub
        for sub in folder.iterdir()
        if re.fullmatch(r"\d+\.\d+\.\d+", sub.name)
        and all((sub / file).is_file() for file in _METADATA)
    }


def _download(tfds: Any, parsed: re.Match[str], root: Path) -> Any:
    """Prepares the data set under `root` and returns its builder."""
    name, config, version = parsed["name"], parsed["config"], parsed["version"]
    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        raise ValueError(
            f"Unknown data set {name!r}. Expected one that is prepared in {root} or "
            f"that TensorFlow Datasets can download.{did_you_mean(name, known)} "
            "Pass `data_dir=` if it is kept elsewhere."
        )
    full_name = name if config is None else f"{name}/{config}"
    full_name = full_name if version is None else f"{full_name}:{version}"
    # tfds reports network, disk and checksum failures with many exception types.
    try:
        builder = tfds.builder(full_name, data_dir=str(root))
        builder.download_and_prepare()
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"The data set {full_name!r} is not prepared in {root} and could not be "
            f"downloaded ({reason}). Pass `data_dir=` if it is kept elsewhere, or "
            f"prepare it where there is a network with `tfds build {full_name}`."
        ) from error
    return builder


def _read(tfds: Any, builder: Any, split: str, options: Options) -> Images:
    """Decodes a split of a prepared data set in its stored order."""
    import tensorflow as tf

    # By default the decoded images of small data sets are kept in memory.
    config = tfds.ReadConfig(try_autocache=False)
    reading = functools.partial(
        builder.as_dataset, split, shuffle_files=False, read_config=config
    )
    try:
        dataset = reading()
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"The data set {builder.name!r} has no images in split {split!r}. Expected "
            f"one of {', '.join(sorted(builder.info.splits))}, or a slice or sum of "
            "these such as 'train[:1000]'."
        ) from error
    spec = dataset.element_spec
    if "image" not in spec or spec["image"].dtype.name != "uint8":
        raise ValueError(
            f"The data set {builder.name!r} has no 8-bit feature called 'image'. "
            f"Received: features {sorted(spec)}. Convert it to a folder or an .npz "
            "file first."
        )
    label = spec.get("label")
    has_labels = label is not None and label.dtype.is_integer and label.shape == ()
    count = int(dataset.cardinality())
    labels, known = np.zeros(count, "int64"), np.zeros(count, bool)

    def begin(start: int) -> Iterator[tuple[str, NDArray[Any]]]:
        for i, example in enumerate(tfds.as_numpy(dataset.skip(start)), start):
            if has_labels:
                labels[i], known[i] = example["label"], True
            yield f"Image {i} of {builder.name!r}", example["image"]

    root = Path(builder.data_dir)
    files = sorted(root.iterdir())
    try:
        images = cache.gather(root, split, files, count, begin, options)
        if has_labels and not known.all():  # as the images were in the cache
            only = reading(decoders=tfds.decode.PartialDecoding({"label": True}))
            batches = tfds.as_numpy(only.batch(_LABELS))
            labels = np.concatenate([batch["label"] for batch in batches])
    except tf.errors.OpError as error:
        raise ValueError(
            f"The files of {builder.name!r} in {builder.data_dir} could not be read "
            f"({type(error).__name__}). Expected complete record files. Delete that "
            "folder and prepare the data set again."
        ) from error
    if not has_labels:
        return Images(images, None)
    names = getattr(builder.info.features["label"], "names", None)
    return Images(images, labels.astype("int64", copy=False), names)
