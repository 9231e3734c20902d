"""The GANs: a base class and one file for each family."""

from typing import TYPE_CHECKING

from keras_mixup_gan.lazy import lazy_names

if TYPE_CHECKING:
    from keras_mixup_gan.models.dcgan import DCGAN as DCGAN
    from keras_mixup_gan.models.gan import GAN as GAN
    from keras_mixup_gan.models.par_gan import PARGAN as PARGAN
    from keras_mixup_gan.models.priv_gan import PrivGAN as PrivGAN
    from keras_mixup_gan.models.relax_loss import RelaxLossDCGAN as RelaxLossDCGAN
    from keras_mixup_gan.models.stylegan_lite import StyleGANLite as StyleGANLite
    from keras_mixup_gan.models.wgan_gp import WGANGP as WGANGP
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "DCGAN": f"{__name__}.dcgan",
            "GAN": f"{__name__}.gan",
            "PARGAN": f"{__name__}.par_gan",
            "PrivGAN": f"{__name__}.priv_gan",
            "RelaxLossDCGAN": f"{__name__}.relax_loss",
            "StyleGANLite": f"{__name__}.stylegan_lite",
            "WGANGP": f"{__name__}.wgan_gp",
        },
    )
