"""Audits of models without training, shared by the tests."""

import numpy as np

import keras_mixup_gan
from keras_mixup_gan.attacks import Attack, AttackTarget, GANLeaks
from tests.attacks.fakes import SHAPE, FakeGAN, images

MEMBERS, NON_MEMBERS, OUTSIDE = images(120, 1), images(110, 2), images(40, 3)
FAST = ("logan", "logan_mixup", GANLeaks(num_samples=300))


def audit(*arguments, **options):
    """An audit of all that is there, without the checks that are tested elsewhere."""
    fixed = {"blind": False, "copies": False, "release": "everything"}
    return keras_mixup_gan.audit(*arguments, **{**fixed, **options})


def leaky_report(**options):
    options = {"reference": OUTSIDE, "attacks": FAST, **options}
    return audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, **options)


def concerns(report):
    return [warning.concern for warning in report.warnings]


def comparable(report):
    content = report.to_dict()
    for result in content["attacks"].values():
        del result["seconds"]
    return content


class Failing(Attack):
    name, title, requires, paper = "failing", "Failing", frozenset(), "none"

    def __init__(self, error):
        self.error = error

    def _score(self, images, labels):
        raise self.error


class Scripted(Attack):
    """Scores an image by a function of its first pixel."""

    name, title, requires, paper = "scripted", "Scripted", frozenset(), "none"

    def __init__(self, rule):
        self.rule = rule

    def _score(self, images, labels):
        return self.rule(np.float64(images[:, 0, 0, 0]))


def marked(values, seed):
    """Images whose first pixel carries a value."""
    marked = images(len(values), seed)
    marked[:, 0, 0, 0] = values
    return marked


def report_of(rule, members, non_members):
    return audit(
        AttackTarget(image_shape=SHAPE),
        marked(members, 1),
        marked(non_members, 2),
        attacks=Scripted(rule),
        release="samples",
    )


class CountingGAN(FakeGAN):
    """A model that is recognized by its weights."""

    weights = (np.arange(3.0),)

    def get_weights(self):
        return self.weights


def run_in(folder, model=None, **options):
    arguments = {"reference": OUTSIDE, "attacks": FAST, "folder": folder, **options}
    model = CountingGAN(MEMBERS) if model is None else model
    return audit(model, MEMBERS, NON_MEMBERS, **arguments)
