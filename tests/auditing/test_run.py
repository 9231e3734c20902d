import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan.attacks import (
    LOGAN,
    AttackTarget,
    GANLeaks,
)
from keras_mixup_gan.attacks.shadows.lira import LiRA
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.attacks.shadows.training import train_shadows
from keras_mixup_gan.auditing import Concern, Leak
from keras_mixup_gan.auditing.run import SHADOW_MODELS
from keras_mixup_gan.data.splits import MembershipSplit
from tests.attacks.fakes import SHAPE, FakeGAN, images
from tests.auditing.audits import (
    FAST,
    MEMBERS,
    NON_MEMBERS,
    OUTSIDE,
    CountingGAN,
    audit,
    comparable,
    leaky_report,
    run_in,
)


def test_a_memorizing_model_is_found_out_by_every_default_attack():
    report = leaky_report()
    assert {result.name for result in report.done} == {
        "logan",
        "logan_mixup",
        "gan_leaks",
    }
    assert all(result.auc > 0.9 for result in report.done)
    assert report.verdict.leak is Leak.SEVERE


def test_a_model_of_other_data_is_not_accused():
    report = audit(
        FakeGAN(images(50, 7)), images(400, 5), images(400, 6), OUTSIDE, FAST
    )
    error = np.sqrt(801 / (12 * 400 * 400))
    assert all(abs(result.auc - 0.5) < 4 * error for result in report.done)
    assert report.verdict.leak is Leak.NOT_FOUND


def test_the_same_seed_gives_the_same_report():
    def comparable(**options):
        report = leaky_report(**options).to_dict()
        for result in report["attacks"].values():
            del result["seconds"]
        return report

    assert comparable(seed=1) == comparable(seed=1)
    assert comparable(seed=1) != comparable(seed=2)


def test_a_target_keeps_its_own_seed_and_reference():
    target = AttackTarget.from_model(FakeGAN(MEMBERS), OUTSIDE, seed=9)
    report = audit(target, MEMBERS, NON_MEMBERS, attacks=FAST, seed=1)
    assert report.seed == 9
    assert report.num_reference == 40
    np.testing.assert_array_equal(
        report["logan_mixup"].member_scores,
        leaky_report(seed=9)["logan_mixup"].member_scores,
    )


def test_parts_of_a_split_are_accepted_and_its_hash_is_reported():
    split = MembershipSplit.from_parts(MEMBERS, NON_MEMBERS, OUTSIDE)
    report = audit(
        FakeGAN(), split.members, split.non_members, split.reference, attacks="logan"
    )
    assert report.split_hash == split.content_hash


def test_without_reference_the_adaptive_attack_is_listed_as_skipped():
    report = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, seed=0)
    skipped = report["logan_mixup"]
    assert skipped.status == "skipped"
    assert "reference images" in skipped.reason
    done = [result.status == "done" for result in report.attacks]
    assert done == sorted(done, reverse=True)
    ran = {result.name for result in report.done}
    assert ran == {"logan", "critic_fluctuation", "gan_leaks"}
    assert report.to_dict()["attacks"]["logan_mixup"]["auc"] is None
    assert not report.warnings  # the model was not trained with mixup


def test_samples_alone_can_be_audited():
    rng = np.random.default_rng(0)
    for model in (images(200, 8), lambda n: rng.uniform(-1, 1, (n, *SHAPE))):
        report = audit(model, MEMBERS, NON_MEMBERS)
        assert [result.name for result in report.done] == ["gan_leaks"]
        assert report.access == ("samples",)


def test_a_notebook_shows_the_verdict_and_all_attacks():
    report = leaky_report()
    shown = report._repr_html_()
    assert str(report.verdict).replace("&", "&amp;")[:30] in shown
    assert shown.count("<tr>") == 1 + len(report.done)
    assert f"<td>{report['logan'].auc:.3f}</td>" in shown


def test_two_attacks_of_a_kind_have_names_of_their_own():
    report = leaky_report(attacks=[GANLeaks(50), GANLeaks(300)])
    assert report["gan_leaks"].settings["num_samples"] == 50
    assert report["gan_leaks_2"].settings["num_samples"] == 300


def test_progress_is_told_before_each_attack_and_at_the_end():
    calls = []
    leaky_report(progress=lambda *state: calls.append(state))
    assert [call[1:] for call in calls] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert calls[0][0] == LOGAN.title
    assert calls[-1][0] == ""


class Trainable(CountingGAN):
    """A model that memorizes what it is trained on, seed by seed a little else."""

    def get_config(self):
        return {"seed": 1}

    def get_compile_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        model = cls()
        model.seed = config["seed"]
        return model

    def compile_from_config(self, config):
        pass

    def fit(self, images, labels=None, *, epochs, verbose):
        rng = np.random.default_rng(self.seed)
        noise = rng.normal(0, 0.1, images.shape)
        self.memorized = np.clip(images + noise, -1, 1).astype("float32")
        self.weights = (self.memorized,)


def shadowed(folder, **options):
    model = Trainable(MEMBERS)
    model.weights = (MEMBERS,)
    return run_in(
        folder, model, attacks=LiRA(), shadow_fit={"epochs": 1}, shadows=4, **options
    )


@pytest.mark.long
def test_a_number_of_shadows_runs_the_whole_protocol(tmp_path):
    told = []
    report = shadowed(tmp_path, progress=lambda title, *_: told.append(title))
    assert report["lira"].status == "done"
    assert report["lira"].auc > 0.9
    assert report.warnings[-1].concern is Concern.FEW_SHADOWS
    assert "4 shadow models" in str(report.warnings[-1])
    assert told[0] == SHADOW_MODELS
    (kept,) = tmp_path.glob("shadows-*")
    told.clear()
    again = shadowed(tmp_path, progress=lambda title, *_: told.append(title))
    assert comparable(again) == comparable(report)
    assert SHADOW_MODELS not in told
    shadows = Shadows.load(kept)
    model = Trainable(MEMBERS)
    model.weights = (MEMBERS,)
    given = run_in(None, model, attacks=LiRA(), shadows=shadows)
    np.testing.assert_array_equal(
        given["lira"].member_scores, report["lira"].member_scores
    )


@pytest.mark.long
def test_shadows_of_another_number_of_images_are_warned_about():
    options = {"attacks": LiRA(), "shadow_fit": {"epochs": 1}, "shadows": 4}
    options |= {"blind": False, "copies": False}
    for number, is_other in ((len(MEMBERS), False), (2 * len(MEMBERS), True)):
        others = images(number, 40)
        report = audit(Trainable(MEMBERS), MEMBERS, others, **options)
        found = {each.concern: each.values for each in report.warnings}
        assert (Concern.SHADOW_SIZES in found) == is_other
        assert report.shadow_images == pytest.approx((len(MEMBERS) + number) / 2, 0.1)
    assert "Query as many non-members" in str(report.warnings)


def test_shadows_are_not_trained_for_attacks_that_use_none():
    parts = images(20, 1), images(20, 2)
    asked = {"attacks": ["logan"], "shadows": 2, "shadow_fit": {"epochs": 1}}
    with pytest.raises(ValueError, match=r"for nothing.*Received: attacks=\['logan'\]"):
        audit(FakeGAN(), *parts, **asked)


def test_shadows_cannot_be_trained_without_saying_how():
    with pytest.raises(ValueError, match="`shadow_fit=`"):
        audit(Trainable(MEMBERS), MEMBERS, NON_MEMBERS, attacks=LiRA(), shadows=4)
    with pytest.raises(ValueError, match="`shadows` must be"):
        audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, attacks=LiRA(), shadows=1)


def test_copies_across_parts_are_refused_with_their_number():
    for members, non_members, reference in (
        (MEMBERS, np.concatenate([NON_MEMBERS, MEMBERS[:3]]), None),
        (MEMBERS, NON_MEMBERS, np.concatenate([OUTSIDE, MEMBERS[:3]])),
        (MEMBERS, NON_MEMBERS, np.concatenate([OUTSIDE, NON_MEMBERS[:3]])),
    ):
        with pytest.raises(ValueError, match="3 images occur in more than one part"):
            audit(FakeGAN(), members, non_members, reference)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": MEMBERS[:1]}, "`members` must hold at least 2 images"),
        ({"non_members": NON_MEMBERS[:1]}, "`non_members` must hold at least 2"),
        ({"members": MEMBERS * 2}, "`members` must lie in"),
        ({"members": (MEMBERS * 127).astype("int16")}, "`members` must be floating"),
        ({"members": images(9, 1, (5, 5, 1))}, "images of"),
        ({"non_members": images(9, 1, (5, 5, 1))}, "images of"),
        ({"members": (MEMBERS, np.zeros(120, int))}, "both have labels"),
        ({"attacks": "logn"}, "Did you mean 'logan'"),
        ({"attacks": ["logan", "gan_leak"]}, "Did you mean 'gan_leaks'"),
        ({"attacks": []}, "at least one attack"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_unusable_input_is_refused(options, message):
    arguments = {"members": MEMBERS, "non_members": NON_MEMBERS, **options}
    with pytest.raises(ValueError, match=message):
        audit(FakeGAN(), **arguments)


def test_samples_of_another_range_are_refused_or_mapped():
    """Copies of the members, in [0, 1], would look unlike them all."""
    copies = MEMBERS / 2 + 0.5
    sides = {"members": MEMBERS, "non_members": NON_MEMBERS, "attacks": "gan_leaks"}
    with pytest.raises(ValueError, match="`samples` and `members` look like"):
        audit(copies, blind=False, **sides)
    stated = {name: side / 2 + 0.5 for name, side in sides.items() if name != "attacks"}
    report = audit(
        copies, attacks="gan_leaks", blind=False, value_range=(0, 1), **stated
    )
    assert report.attacks[0].auc > 0.99
    with pytest.raises(ValueError, match="look like images of two ranges"):
        audit(lambda n: copies[:n], blind=False, **sides)


def test_parts_come_in_any_form(tmp_path):
    eight = [
        np.rint((part + 1) * 127.5).astype("uint8") for part in (MEMBERS, NON_MEMBERS)
    ]
    np.savez(tmp_path / "members.npz", images=eight[0])
    samples = images(300, 3)
    settings = {"attacks": "gan_leaks", "blind": False}
    expected = audit(samples, *eight, **settings)
    others = tf.data.Dataset.from_tensor_slices(eight[1]).batch(50)
    found = audit(samples, tmp_path / "members.npz", others, **settings)
    assert found.split_hash == expected.split_hash
    assert found.attacks[0].auc == expected.attacks[0].auc


def test_images_of_a_network_are_held_against_the_range_of_the_members():
    dense = keras.layers.Dense(16, "sigmoid")
    network = keras.Sequential([keras.Input((3,)), dense, keras.layers.Reshape(SHAPE)])
    options = {"attacks": "gan_leaks", "reference": OUTSIDE}
    with pytest.raises(ValueError, match="two ranges"):
        audit(network, MEMBERS, NON_MEMBERS, **options)
    with pytest.raises(ValueError, match="two ranges"):
        audit(
            *(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS),
            **options | {"attacks": "gan_leaks_models", "reference_models": [network]},
        )


def test_shadow_models_that_a_target_brings_are_used(tmp_path):
    pool = np.concatenate([MEMBERS, NON_MEMBERS])
    shadows = train_shadows(
        lambda images, labels, seed: FakeGAN(images),
        pool,
        folder=tmp_path,
        num_shadows=4,
        num_samples={"critic": 16, "nearest": 20},
    )
    brought = AttackTarget.from_model(FakeGAN(MEMBERS), shadows=shadows)
    report, other = (
        audit(model, MEMBERS, NON_MEMBERS, attacks=attacks)
        for model, attacks in ((brought, "default"), (brought, ["logan"]))
    )
    assert any("shadows" in each.requires for each in report.done)
    given = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, shadows=shadows)
    assert {each.name for each in given.done} == {each.name for each in report.done}
    assert not any("shadows" in each.requires for each in other.done)


def test_a_generator_that_fails_costs_no_finished_attack():
    class Broken(FakeGAN):
        def generate(self, *args, **kwargs):
            raise RuntimeError("no images today")

    with pytest.warns(UserWarning, match="not looked for: .*no images today"):
        report = audit(
            *(Broken(MEMBERS), MEMBERS, NON_MEMBERS), attacks=["logan"], copies=True
        )
    assert report["logan"].auc > 0.9
    assert report.copies is report.copying is None


def test_a_first_look_bounds_the_null_target_too():
    report = audit(
        *(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS),
        attacks=["gan_leaks"],
        fast=True,
        null_target=FakeGAN(),
    )
    ours, null = report["gan_leaks"], report.null_target.attacks[0]
    assert null.settings["num_samples"] == ours.settings["num_samples"] <= 2000
