"""The GANs: a base class and one file for each family."""

from keras_mixup_gan.models.dcgan import DCGAN as DCGAN
from keras_mixup_gan.models.gan import GAN as GAN
