"""The factories behind `keras_mixup_gan.zoo`."""

import functools
from typing import Any

import keras

from keras_mixup_gan.mixup import MixUp
from keras_mixup_gan.models.dcgan import DCGAN
from keras_mixup_gan.models.stylegan_lite import StyleGANLite
from keras_mixup_gan.models.wgan_gp import WGANGP
from keras_mixup_gan.privacy.dpsgd import DPSGD
from keras_mixup_gan.zoo.folder import read_toml


def dcgan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    mixup: bool | str | MixUp = False,
    dp: DPSGD | None = None,
    num_classes: int | None = None,
    latent_dim: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    compile: bool = True,
    **kwargs: Any,
) -> DCGAN:
    """A DCGAN, compiled and ready to `fit`.

    Args:
        image_shape: `(height, width, channels)`; both sides at least 8 and divisible
            by 4.
        mixup: `False`; `True` for the recipe's choice; `"paper"` for the published
            rule of Ji et al.; or a `MixUp`.
        dp: `DPSGD` settings for a differentially private discriminator.
        num_classes: Number of classes of a conditional model.
        latent_dim: Latent dimensions; the recipe's by default.
        width: Channels of the discriminator's first block; the recipe's by default.
        seed: Integer seed; `None` draws one.
        compile: Whether to compile with the recipe's optimizers.
        **kwargs: Further arguments of `models.DCGAN`.

    Returns:
        The model.

    Raises:
        ValueError: If an argument is out of range or `mixup` meets `dp`.
        ImportError: If `dp` is given and its extra is not installed.

    Example:
    ```python
    model = keras_mixup_gan.zoo.dcgan(mixup=True)
    model.fit(images, epochs=50)
    ```
    """
    fixed = {"dp": dp, "num_classes": num_classes, "seed": seed, **kwargs}
    sizes = {"latent_dim": latent_dim, "width": width}
    return from_recipe(DCGAN, "dcgan", image_shape, mixup, compile, sizes, fixed)


def wgan_gp(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    mixup: bool | str | MixUp = False,
    dp: DPSGD | None = None,
    num_classes: int | None = None,
    latent_dim: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    compile: bool = True,
    **kwargs: Any,
) -> WGANGP:
    """A WGAN-GP, compiled and ready to `fit`.

    `wgan_gp(mixup="paper", num_classes=10)` is the published method of Ji et al. in
    the family they published it for.

    Args:
        image_shape: `(height, width, channels)`; both sides at least 8 and divisible
            by 4.
        mixup: `False`; `True` for the recipe's choice; `"paper"` for the published
            rule of Ji et al.; or a `MixUp`.
        dp: `DPSGD` settings for a differentially private critic.
        num_classes: Number of classes of a conditional model.
        latent_dim: Latent dimensions; the recipe's by default.
        width: Channels of the critic's first block; the recipe's by default.
        seed: Integer seed; `None` draws one.
        compile: Whether to compile with the recipe's optimizers.
        **kwargs: Further arguments of `models.WGANGP`.

    Returns:
        The model.

    Raises:
        ValueError: If an argument is out of range or `mixup` meets `dp`.
        ImportError: If `dp` is given and its extra is not installed.

    Example:
    ```python
    model = keras_mixup_gan.zoo.wgan_gp(mixup="paper", num_classes=10)
    model.fit(images, labels, epochs=50)
    ```
    """
    fixed = {"dp": dp, "num_classes": num_classes, "seed": seed, **kwargs}
    sizes = {"latent_dim": latent_dim, "width": width}
    return from_recipe(WGANGP, "wgan_gp", image_shape, mixup, compile, sizes, fixed)


def stylegan_lite(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    mixup: bool | str | MixUp = False,
    dp: DPSGD | None = None,
    num_classes: int | None = None,
    latent_dim: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    compile: bool = True,
    **kwargs: Any,
) -> StyleGANLite:
    """A StyleGAN 2 for small images, compiled and ready to `fit`.

    Args:
        image_shape: `(height, width, channels)`; halved as often as it goes, both
            sides must come to lie in 4 to 16.
        mixup: `False`; `True` for the recipe's choice; `"paper"` for the published
            rule of Ji et al.; or a `MixUp`.
        dp: `DPSGD` settings for a differentially private discriminator.
        num_classes: Number of classes of a conditional model.
        latent_dim: Dimensions of latents and styles; the recipe's by default.
        width: Channels at full resolution; the recipe's by default.
        seed: Integer seed; `None` draws one.
        compile: Whether to compile with the recipe's optimizers.
        **kwargs: Further arguments of `models.StyleGANLite`.

    Returns:
        The model.

    Raises:
        ValueError: If an argument is out of range or `mixup` meets `dp`.
        ImportError: If `dp` is given and its extra is not installed.

    Example:
    ```python
    model = keras_mixup_gan.zoo.stylegan_lite(mixup=True)
    model.fit(images, epochs=50)
    images = model.generate(16, truncation=0.7)
    ```
    """
    fixed = {"dp": dp, "num_classes": num_classes, "seed": seed, **kwargs}
    sizes = {"latent_dim": latent_dim, "width": width}
    return from_recipe(
        StyleGANLite, "stylegan_lite", image_shape, mixup, compile, sizes, fixed
    )


def from_recipe(
    kind: Any,
    name: str,
    image_shape: tuple[int, int, int],
    mixup: bool | str | MixUp,
    compile: bool,
    sizes: dict[str, int | None],
    fixed: dict[str, Any],
) -> Any:
    """A model with its recipe's settings, where no others are given."""
    recipe = load_recipe(name)
    given = {name: size for name, size in sizes.items() if size is not None}
    settings = {**recipe["model"], **given, **fixed}
    model = kind(image_shape, mixup=resolve_mixup(mixup, recipe), **settings)
    if compile:
        model.compile(optimizer_from(recipe), optimizer_from(recipe))
    return model


def resolve_mixup(mixup: bool | str | MixUp | None, recipe: dict[str, Any]) -> Any:
    """What a factory's `mixup` argument stands for: a `MixUp` or `None`.

    Args:
        mixup: The argument.
        recipe: The model's recipe, which says what `True` means.

    Returns:
        The transform, or `None`.

    Raises:
        ValueError: If the argument is none of the accepted values.
    """
    if mixup is None or mixup is False:
        return None
    if mixup is True:
        return MixUp(**recipe["mixup"])
    if mixup == "paper":
        return MixUp.paper()
    if isinstance(mixup, MixUp):
        return mixup
    raise ValueError(
        "`mixup` must be False, True, 'paper' or a `MixUp`. "
        f"Received: mixup={mixup!r}. Build one with `keras_mixup_gan.MixUp(alpha=1.0)`."
    )


def optimizer_from(recipe: dict[str, Any]) -> keras.optimizers.Optimizer:
    """A fresh optimizer as the recipe describes it."""
    settings = dict(recipe["optimizer"])
    name = settings.pop("name")
    return keras.optimizers.get({"class_name": name, "config": settings})


@functools.cache
def load_recipe(name: str) -> dict[str, Any]:
    """The recipe of a model: network, optimizer and mixing, as the zoo ships them."""
    return read_toml(f"{name}/recipe.toml")
