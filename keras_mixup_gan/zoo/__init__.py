"""Factories that build compiled models from the zoo's recipes, and trained presets."""

from typing import TYPE_CHECKING

from keras_mixup_gan.lazy import lazy_names

if TYPE_CHECKING:
    from keras_mixup_gan.zoo.factories import dcgan as dcgan
    from keras_mixup_gan.zoo.factories import load_recipe as load_recipe
    from keras_mixup_gan.zoo.factories import resolve_mixup as resolve_mixup
    from keras_mixup_gan.zoo.factories import stylegan_lite as stylegan_lite
    from keras_mixup_gan.zoo.factories import wgan_gp as wgan_gp
    from keras_mixup_gan.zoo.presets import from_preset as from_preset
    from keras_mixup_gan.zoo.presets import list_presets as list_presets
    from keras_mixup_gan.zoo.presets import preset_info as preset_info
    from keras_mixup_gan.zoo.presets import save_to_preset as save_to_preset
    from keras_mixup_gan.zoo.presets import verify_presets as verify_presets
else:
    _FACTORIES, _PRESETS = f"{__name__}.factories", f"{__name__}.presets"
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "dcgan": _FACTORIES,
            "load_recipe": _FACTORIES,
            "resolve_mixup": _FACTORIES,
            "stylegan_lite": _FACTORIES,
            "wgan_gp": _FACTORIES,
            "from_preset": _PRESETS,
            "list_presets": _PRESETS,
            "preset_info": _PRESETS,
            "save_to_preset": _PRESETS,
            "verify_presets": _PRESETS,
        },
    )
