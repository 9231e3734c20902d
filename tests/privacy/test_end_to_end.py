"""Real trainings: what attacks achieve is held against what epsilon allows."""

import keras
import numpy as np
import pytest
import scipy.stats

from keras_mixup_gan import DPSGD, zoo
from keras_mixup_gan.attacks import AttackTarget
from keras_mixup_gan.auditing import audit
from keras_mixup_gan.data import MembershipSplit, load_images

pytestmark = pytest.mark.slow

SHAPE, NUM_MODELS, NUM_EXAMPLES = (16, 16, 1), 4, 40
BATCH_SIZE, NUM_STEPS = 20, 2000
ATTACKS = ["logan", "gan_leaks"]
ARMS = {
    "undefended": None,
    "private": DPSGD(target_epsilon=1.0, delta=1e-3, num_examples=NUM_EXAMPLES),
}


def trained(members, seed, dp):
    model = zoo.dcgan(SHAPE, latent_dim=32, norm=None, seed=seed, dp=dp)
    model.compile(*(keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)))
    # One long epoch, because there is a fixed cost to each.
    model.fit(members, batch_size=BATCH_SIZE, steps_per_epoch=NUM_STEPS, verbose=0)
    return model


@pytest.fixture(scope="module")
def arms():
    """For each arm the results of each attack on each model, and one report."""
    images = load_images("digits", image_shape=SHAPE).images
    found = {arm: {attack: [] for attack in ATTACKS} for arm in ARMS}
    for seed in range(NUM_MODELS):
        split = MembershipSplit.draw(
            images,
            num_members=NUM_EXAMPLES,
            num_non_members=NUM_EXAMPLES,
            seed=seed,
            drop_duplicates=True,
            membership="coin",
        )
        for arm, dp in ARMS.items():
            model = trained(split.members.images, seed, dp)
            report = audit(
                AttackTarget.from_model(model),
                split.members.images,
                split.non_members.images,
                attacks=ATTACKS,
                blind=False,
            )
            for attack in ATTACKS:
                found[arm][attack].append(report[attack].auc)
    return found, model.privacy_report(delta=1e-3)  # the same for all private ones


def interval(areas):
    """99 % interval of the mean over independently trained models."""
    error = scipy.stats.sem(areas) * scipy.stats.t.ppf(0.995, len(areas) - 1)
    return np.mean(areas) - error, np.mean(areas) + error


def test_attacks_keep_below_what_epsilon_allows(arms):
    found, report = arms
    assert 0.9 < report.epsilon_rdp <= 1
    for attack in ATTACKS:
        low, _ = interval(found["private"][attack])
        assert low <= report.auc_bound, found
        # The mean itself, with room for the chance of few queries alone.
        assert np.mean(found["private"][attack]) < report.auc_bound + 0.1, found


def test_an_undefended_model_exceeds_that_bound(arms):
    found, report = arms
    low, _ = interval(found["undefended"]["logan"])
    assert low > report.auc_bound, found
    better = np.array(found["undefended"]["logan"]) - found["private"]["logan"]
    assert interval(better)[0] > 0, found
