"""Noise that each real image gets once: the same in every epoch, and after a pause."""

import numpy as np
import pytest
import scipy.stats

from keras_mixup_gan import MixUp, defenses, zoo
from keras_mixup_gan.auditing.journal import known_settings
from keras_mixup_gan.models.inputs import Batch, InputPipeline
from keras_mixup_gan.models.released import describe
from keras_mixup_gan.models.saving import plain_arguments
from keras_mixup_gan.randomness import StepStream
from tests.defenses.tiny import assert_resumes
from tests.models.tiny import make, random_images

ALONE = {"num_samples": 1, "noise_stddev": 0.5, "noise": "once"}
COPIES = np.zeros((12, 8, 8, 1), "float32")  # so that a batch holds noise alone


def batches(images, count, start=0, **settings):
    """Batches of four that a training takes from a step on, and how they were mixed."""
    mixup = MixUp(**{**ALONE, **settings})
    pipeline = InputPipeline((8, 8, 1), None, mixup, None, 0, 1, lambda: start)
    prepared, *_ = pipeline.training_batches(images, None, 4)
    return [batch for (batch,) in prepared.take(count)]


def sources(batch):
    """The images of a batch of one source for each, in the order of the sources."""
    return batch["images"].numpy()[np.argmax(batch["weights"], axis=0)]


def noise_of(found):
    """All images, sorted, so that epochs can be compared."""
    rows = np.concatenate([sources(batch) for batch in found]).reshape(len(COPIES), -1)
    return rows[np.argsort(rows[:, 0])]


@pytest.fixture(scope="module")
def epochs():
    """Two, of three batches each."""
    return batches(COPIES, 6)


def test_each_image_keeps_its_noise_and_copies_have_noise_of_their_own(epochs):
    first, second = noise_of(epochs[:3]), noise_of(epochs[3:])
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(sources(epochs[0]), sources(epochs[3]))  # another order
    correlations = np.corrcoef(first)[~np.eye(12, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(first.shape[1])
    assert scipy.stats.kstest(first.ravel(), scipy.stats.norm(0, 0.5).cdf).pvalue > 1e-4
    (other,) = batches(COPIES, 1, seed=2**62 + 1)
    gaps = sources(other).reshape(4, 1, -1) - first
    assert np.abs(gaps).max(axis=2).min() > 0.1


def test_a_resumed_training_keeps_the_noise_and_no_other_array_shares_it(epochs):
    noises = noise_of(epochs[3:])
    np.testing.assert_array_equal(noise_of(batches(COPIES, 3, start=3)), noises)
    lighter = noise_of(batches(COPIES + np.float32(0.25), 3)) - 0.25
    gaps = np.abs(lighter[:, None] - noises)
    assert gaps.max(axis=2).min() > 0.1


def test_blends_are_made_of_the_noisy_images_alone(epochs):
    (mixture,) = batches(COPIES, 1, num_samples=2, region="cutmix")
    expected = MixUp.mix(sources(epochs[0]), mixture["weights"], mixture["origins"])
    np.testing.assert_array_equal(mixture["images"], expected)


@pytest.mark.long
def test_other_passes_show_the_same_noise(epochs):
    (mixture,) = batches(COPIES, 1, num_samples=2, pairing="passes")
    noises, mixed = noise_of(epochs[:3]), mixture["images"].numpy().reshape(4, -1)
    shares = np.linalg.lstsq(noises.T, mixed.T, rcond=None)[0].T
    np.testing.assert_allclose(shares @ noises, mixed, atol=1e-5)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_generated_images_get_fresh_noise_before_they_are_blended():
    mixup = MixUp(alpha=8.0, noise_stddev=0.5, noise="once")
    model = make(mixup=mixup)
    batch = Batch(**mixup.mix_batch(({"images": random_images(6)},), (0, 0)))
    fakes, _ = model.counterparts(batch, draw=1)
    latents = model.latents(6, 1)
    clean = model.synthesize(model.generator, latents, None, 1)
    noise = model.random.normal((6, 8, 8, 1), StepStream.FAKE_NOISE, 1)
    expected = np.einsum("mn,nhwc->mhwc", batch.weights, clean + 0.5 * noise)
    np.testing.assert_allclose(fakes, expected, atol=1e-5)
    model.steps.assign(1)
    later = model.random.normal((6, 8, 8, 1), StepStream.FAKE_NOISE, 1)
    assert np.abs(later - noise).max() > 0.1


@pytest.mark.long
def test_a_training_goes_on_with_the_same_noise(tmp_path):
    loaded = assert_resumes(defenses.make("noise-once"), tmp_path / "model.keras")
    assert loaded.mixup.noise == "once"


def test_the_seed_is_kept_for_resuming_and_not_given_away():
    secret = 2**62 + 1
    model = make(mixup=MixUp(**ALONE, seed=secret))
    assert model.mixup.get_config()["seed"] == secret
    given_away = (
        plain_arguments(model)["mixup"],
        describe(model)["mixup"],
        known_settings(model.mixup),
    )
    for config in given_away:
        assert config["seed"] is None and config["noise"] == "once"
    assert known_settings(MixUp(seed=3))["seed"] == 3
    assert plain_arguments(make(mixup=MixUp(**ALONE)))["seed"] is None


def test_a_preset_keeps_the_model_s_seed_and_goes_on_with_fresh_noise(tmp_path):
    model = make(mixup=MixUp(**ALONE, seed=2**62 + 1))
    folder = model.save_to_preset(tmp_path / "preset")
    loaded = [zoo.from_preset(folder) for _ in "ab"]
    assert {each.seed for each in loaded} == {model.seed}
    seeds = {each.mixup.seed for each in (model, *loaded)}
    assert len(seeds) == 3 and None not in seeds and model.seed not in seeds
