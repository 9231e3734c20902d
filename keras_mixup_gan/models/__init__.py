"""The GANs: a base class, one file for each family, and how they are saved."""

from typing import TYPE_CHECKING

from keras_mixup_gan.lazy import lazy_names

__all__ = [
    "DCGAN",
    "GAN",
    "WGANGP",
    "StyleGANLite",
    "export_samples",
    "load_gan",
]

if TYPE_CHECKING:
    from keras_mixup_gan.models.dcgan import DCGAN
    from keras_mixup_gan.models.gan import GAN
    from keras_mixup_gan.models.samples import export_samples
    from keras_mixup_gan.models.saving import load_gan
    from keras_mixup_gan.models.stylegan_lite import StyleGANLite
    from keras_mixup_gan.models.wgan_gp import WGANGP
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "DCGAN": f"{__name__}.dcgan",
            "GAN": f"{__name__}.gan",
            "export_samples": f"{__name__}.samples",
            "StyleGANLite": f"{__name__}.stylegan_lite",
            "WGANGP": f"{__name__}.wgan_gp",
            "load_gan": f"{__name__}.saving",
        },
    )
