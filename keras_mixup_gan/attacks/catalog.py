"""Every attack by its name, and the ones that an audit runs by default."""

from keras_mixup_gan.attacks.base import Attack
from keras_mixup_gan.attacks.gan_leaks import GANLeaks
from keras_mixup_gan.attacks.logan import LOGAN, MixupLOGAN

ATTACKS: dict[str, type[Attack]] = {
    attack.name: attack for attack in (LOGAN, MixupLOGAN, GANLeaks)
}
DEFAULT_ATTACKS = ("logan", "logan_mixup", "gan_leaks")
