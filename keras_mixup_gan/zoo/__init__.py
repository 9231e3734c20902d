"""Factories that build compiled models from the zoo's recipes."""

from keras_mixup_gan.zoo.factories import dcgan as dcgan
