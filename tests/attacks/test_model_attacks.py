"""What holds for every attack that looks into models or compares several."""

import inspect
import json

import numpy as np
import pytest

from keras_mixup_gan.attacks import ATTACKS, AttackTarget
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.auditing import audit
from tests.attacks.fakes import SHAPE, FakeGAN, images

FOLDERS = ("discriminator.critic", "reconstruction", "shadows")
EVERY = [
    kind
    for kind in ATTACKS.values()
    if kind.__module__.removeprefix("keras_mixup_gan.attacks.").startswith(FOLDERS)
]
each = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)

MEMBERS, NON_MEMBERS, OUTSIDE = images(40, 1), images(40, 2), images(30, 3)


@pytest.fixture(scope="module")
def shadows(tmp_path_factory):
    return train_shadows(
        lambda x, labels, seed: FakeGAN(x),
        np.concatenate([MEMBERS, NON_MEMBERS]),
        folder=tmp_path_factory.mktemp("shadows"),
        num_shadows=6,
        signals=["critic", "augmented", "nearest"],
        num_samples={"critic": 30, "nearest": 60},
    )


@each
def test_labels_of_membership_cannot_reach_an_attack(kind):
    assert list(inspect.signature(kind.score).parameters) == [
        "self",
        "images",
        "labels",
    ]
    assert list(inspect.signature(kind.fit).parameters) == ["self", "target"]


@each
def test_an_attack_is_known_by_name_and_says_where_it_comes_from(kind):
    assert ATTACKS[kind.name] is kind
    assert kind.title
    assert "20" in kind.paper
    json.dumps(kind().settings)


@each
def test_missing_access_is_refused_in_one_sentence(kind):
    with pytest.raises(ValueError, match=r"needs access to: .* grants nothing"):
        kind().fit(AttackTarget(image_shape=SHAPE))


@each
def test_scoring_before_fitting_is_refused(kind):
    with pytest.raises(ValueError, match=r"Call `fit\(target\)` first"):
        kind().score(MEMBERS)


def test_names_and_titles_are_distinct():
    assert len({kind.name for kind in EVERY}) == len(EVERY)
    assert len({kind.title for kind in EVERY}) == len(EVERY)


def test_an_audit_runs_them_by_name(shadows):
    names = [kind.name for kind in EVERY if "queries" not in kind.requires]
    report = audit(
        FakeGAN(MEMBERS),
        MEMBERS,
        NON_MEMBERS,
        reference=OUTSIDE,
        attacks=names,
        shadows=shadows,
        reference_models=[FakeGAN(images(40, 60))],
    )
    status = {result.name: result.status for result in report.attacks}
    assert status.pop("latent_gradient") == "skipped"  # a fake shows no weights
    assert status == {name: "done" for name in names if name in status}
    assert len(status) == len(names) - 1
    for result in report.done:
        assert result.auc > 0.9, result.name
        json.dumps(result.to_dict())
