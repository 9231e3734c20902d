"""Models that commands are given: files, presets and folders."""

from pathlib import Path
from typing import Any

HELP = "A .keras file, the name of a preset, or a preset's folder."


def read_model(model: str, *, compile: bool = True) -> Any:
    """A trained model.

    Args:
        model: Path of a `.keras` file or of a preset's folder, or a preset's name.
        compile: Whether a preset is compiled, to be trained like.

    Returns:
        The model.

    Raises:
        ValueError: If there is none, or it is damaged.
    """
    from keras_mixup_gan import zoo
    from keras_mixup_gan.models.saving import load_gan

    path = Path(model)
    if path.suffix == ".keras" or (path.is_file() and path.suffix != ".json"):
        return load_gan(path)
    return zoo.from_preset(model, compile=compile)
