"""Defenses by name, as a suite's TOML file writes them."""

from collections.abc import Callable, Mapping
from typing import Any

from keras_mixup_gan.defenses.base import Defense
from keras_mixup_gan.defenses.diff_augment import DiffAugment
from keras_mixup_gan.defenses.dp_sgd import dp_sgd
from keras_mixup_gan.defenses.dropout import Dropout
from keras_mixup_gan.defenses.mixing import mixing, noise
from keras_mixup_gan.defenses.par_gan import ParGan
from keras_mixup_gan.defenses.priv_gan import PrivGan
from keras_mixup_gan.defenses.relax_loss import RelaxLoss
from keras_mixup_gan.defenses.undefended import Undefended
from keras_mixup_gan.validation import check_choice

DEFENSES: Mapping[str, Callable[..., Defense]] = {
    "undefended": Undefended,
    "mixup": mixing,
    "noise": noise,
    "dp-sgd": dp_sgd,
    "diffaugment": DiffAugment,
    "dropout": Dropout,
    "relaxloss": RelaxLoss,
    "par-gan": ParGan,
    "privgan": PrivGan,
}


def make(name: str, **settings: Any) -> Defense:
    """A defense by its name.

    Args:
        name: A key of `DEFENSES`.
        **settings: Its arguments; for `"mixup"` a `rule` such as `"paper"`, or
            arguments of `MixUp`; for `"dp-sgd"` arguments of `DPSGD`.

    Returns:
        The defense.

    Raises:
        ValueError: If there is no such defense, or it takes no such settings.

    Example:
    ```python
    make("mixup", alpha=8.0, noise_stddev=1.0).build("dcgan", (28, 28, 1), seed=0)
    ```
    """
    check_choice(name, DEFENSES, "defense")
    try:
        return DEFENSES[name](**settings)
    except TypeError as error:
        raise ValueError(
            f"The defense {name!r} takes other settings. Received: {settings} "
            f"({error})."
        ) from error
