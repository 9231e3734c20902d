"""Generators of other libraries; PyTorch is stood in for by what it promises."""

import numpy as np
import pytest

from keras_mixup_gan.attacks import AttackTarget
from tests.attacks.fakes import images
from tests.auditing.audits import audit

LATENTS, SHAPE = 5, (4, 6, 3)
WEIGHTS = np.random.default_rng(0).normal(size=(LATENTS, 72)).astype("float32")


def made_of(latents):
    return np.tanh(latents @ WEIGHTS).reshape(-1, *SHAPE)


class Tensor:
    """What is used of a torch.Tensor."""

    def __init__(self, values, requires_grad=False):
        self.values, self.requires_grad = np.asarray(values), requires_grad

    @property
    def shape(self):
        return self.values.shape

    def new_tensor(self, values):
        return Tensor(np.asarray(values, "float32"))

    def detach(self):
        return Tensor(self.values)

    def cpu(self):
        return self

    def float(self):
        return Tensor(self.values.astype("float32"), self.requires_grad)

    def numpy(self):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.values


class Module:
    """A torch.nn.Module that begins with a linear layer or with a convolution."""

    def __init__(self, as_maps=False, requires_grad=True, latent_dim=None):
        self.as_maps, self.requires_grad = as_maps, requires_grad
        self.training = True
        if latent_dim:
            self.latent_dim = latent_dim

    def parameters(self):
        shape = (LATENTS, 8, 4, 4) if self.as_maps else (72, LATENTS)
        return iter([Tensor(np.zeros(shape), True)])

    def state_dict(self):
        return {}

    def eval(self):
        return self.train(False)

    def train(self, mode=True):
        self.training = mode
        return self

    def __call__(self, latents):
        assert not self.training
        assert isinstance(latents, Tensor)
        if latents.values.ndim != (4 if self.as_maps else 2):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        made = made_of(latents.values.reshape(len(latents.values), -1))
        return Tensor(made.transpose(0, 3, 1, 2), self.requires_grad)


@pytest.mark.parametrize("as_maps", [False, True])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_torch_module_is_a_generator_of_latents(as_maps, requires_grad):
    module = Module(as_maps, requires_grad)
    target = AttackTarget.from_model(module, image_shape=SHAPE)
    assert target.access == {"samples", "queries"}
    assert (target.image_shape, target.latent_dim) == (SHAPE, LATENTS)
    latents = np.random.default_rng(1).normal(size=(3, LATENTS)).astype("float32")
    np.testing.assert_allclose(target.decode(latents, None), made_of(latents))
    assert module.training  # as it was before


def test_a_torch_module_may_return_8_bits():
    class EightBits(Module):
        def __call__(self, latents):
            made = super().__call__(latents).values
            return Tensor(np.rint((made + 1) * 127.5).astype("uint8"), True)

    target = AttackTarget.from_model(EightBits(), image_shape=SHAPE)
    latents = np.random.default_rng(1).normal(size=(3, LATENTS)).astype("float32")
    found = target.decode(latents, None)
    np.testing.assert_allclose(found, made_of(latents), atol=1 / 127.5)


def channels_first(latents):
    return made_of(latents).transpose(0, 3, 1, 2)


def eight_bits(latents):
    return np.rint((made_of(latents) + 1) * 127.5).astype("uint8")


def rounded_up(latents):
    return made_of(latents) * np.float32(1 + 1e-6)


@pytest.mark.parametrize("kind", [tuple, list])
@pytest.mark.parametrize("function", [made_of, channels_first, eight_bits, rounded_up])
def test_any_function_of_latents_is_understood(function, kind):
    shape = kind(SHAPE)
    target = AttackTarget.from_model(function, image_shape=shape, latent_dim=LATENTS)
    latents = np.random.default_rng(1).normal(size=(3, LATENTS)).astype("float32")
    found = target.decode(latents, None)
    np.testing.assert_allclose(found, made_of(latents), atol=1 / 127.5)
    assert np.abs(target.generate(0, 300)).max() <= 1


def test_a_keras_generator_is_understood():
    import keras

    network = keras.Sequential(
        [
            keras.Input((LATENTS,)),
            keras.layers.Dense(72, activation="tanh", use_bias=False),
            keras.layers.Reshape(SHAPE),
        ]
    )
    network.set_weights([WEIGHTS])
    target = AttackTarget.from_model(network, image_shape=SHAPE)
    latents = np.random.default_rng(1).normal(size=(3, LATENTS)).astype("float32")
    np.testing.assert_allclose(
        target.decode(latents, None), made_of(latents), atol=1e-6
    )


def test_an_audit_takes_a_module():
    parts = images(40, 1, SHAPE), images(40, 2, SHAPE)
    report = audit(Module(), *parts, attacks=["gan_leaks"], release="generator")
    assert report.model == "Module"
    assert report.access == ("queries", "samples")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Module(latent_dim=7), {}, "cannot be called on latents"),
        (made_of, {"latent_dim": LATENTS, "image_shape": (8, 8, 3)}, "shape"),
        (lambda latents: latents, {"latent_dim": LATENTS}, "must return images"),
    ],
)
def test_what_is_no_generator_is_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        AttackTarget.from_model(model, **{"image_shape": SHAPE, **options})
