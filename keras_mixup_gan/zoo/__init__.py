"""Compiled models by the recipes of their families, and trained presets.

Every family is here by its name, `zoo.dcgan`, `zoo.wgan_gp` and `zoo.stylegan_lite`:
the class method `from_recipe` of its class. `help(keras_mixup_gan.zoo.dcgan)` tells the
arguments.
"""

from typing import TYPE_CHECKING, Any

from keras_mixup_gan.lazy import lazy_names
from keras_mixup_gan.models.recipes import family_class, list_families

__all__ = [
    "dcgan",
    "from_preset",
    "list_presets",
    "load_recipe",
    "preset_info",
    "push_to_hub",
    "resolve_mixup",
    "save_to_preset",
    "stylegan_lite",
    "verify_presets",
    "wgan_gp",
    "write_card",
]

if TYPE_CHECKING:
    from keras_mixup_gan.models.dcgan import DCGAN
    from keras_mixup_gan.models.presets import list_presets, preset_info, verify_presets
    from keras_mixup_gan.models.recipes import load_recipe, resolve_mixup
    from keras_mixup_gan.models.saving import from_preset, save_to_preset
    from keras_mixup_gan.models.stylegan_lite import StyleGANLite
    from keras_mixup_gan.models.wgan_gp import WGANGP
    from keras_mixup_gan.zoo.publishing import push_to_hub, write_card

    dcgan = DCGAN.from_recipe
    wgan_gp = WGANGP.from_recipe
    stylegan_lite = StyleGANLite.from_recipe
else:
    _modules = {
        "models.presets": ("list_presets", "preset_info", "verify_presets"),
        "models.recipes": ("load_recipe", "resolve_mixup"),
        "models.saving": ("from_preset", "save_to_preset"),
        "zoo.publishing": ("push_to_hub", "write_card"),
    }
    _get, _names = lazy_names(
        __name__,
        {
            name: f"keras_mixup_gan.{module}"
            for module, names in _modules.items()
            for name in names
        },
    )

    def __getattr__(name: str) -> Any:
        if name in list_families():
            return family_class(name).from_recipe
        return _get(name)

    def __dir__() -> list[str]:
        return sorted({*_names(), *list_families()})
