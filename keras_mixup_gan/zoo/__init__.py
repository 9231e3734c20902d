"""Factories that build compiled models from the zoo's recipes."""

from keras_mixup_gan.zoo.factories import dcgan as dcgan
from keras_mixup_gan.zoo.factories import load_recipe as load_recipe
from keras_mixup_gan.zoo.factories import resolve_mixup as resolve_mixup
