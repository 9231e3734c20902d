"""Defences by name, as a suite's TOML file writes them."""

from collections.abc import Callable, Mapping
from typing import Any

from keras_mixup_gan.defences.base import Defence
from keras_mixup_gan.defences.diff_augment import DiffAugment
from keras_mixup_gan.defences.dp_sgd import dp_sgd
from keras_mixup_gan.defences.dropout import Dropout
from keras_mixup_gan.defences.mixing import mixing, noise
from keras_mixup_gan.defences.par_gan import ParGan
from keras_mixup_gan.defences.priv_gan import PrivGan
from keras_mixup_gan.defences.relax_loss import RelaxLoss
from keras_mixup_gan.defences.undefended import Undefended
from keras_mixup_gan.validation import check_choice

DEFENCES: Mapping[str, Callable[..., Defence]] = {
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


def make(name: str, **settings: Any) -> Defence:
    """A defence by its name.

    Args:
        name: A key of `DEFENCES`.
        **settings: Its arguments; for `"mixup"` a `rule` such as `"paper"`, or
            arguments of `MixUp`; for `"dp-sgd"` arguments of `DPSGD`.

    Returns:
        The defence.

    Raises:
        ValueError: If there is no such defence, or it takes no such settings.

    Example:
    ```python
    make("mixup", alpha=8.0, noise_stddev=1.0).build("dcgan", (28, 28, 1), seed=0)
    ```
    """
    check_choice(name, DEFENCES, "defence")
    try:
        return DEFENCES[name](**settings)
    except TypeError as error:
        raise ValueError(
            f"The defence {name!r} takes other settings. Received: {settings} "
            f"({error})."
        ) from error
