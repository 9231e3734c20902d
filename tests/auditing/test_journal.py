import importlib
import sys

import keras
import numpy as np
import pytest

from keras_mixup_gan import storage
from keras_mixup_gan.attacks import (
    DPI,
    LOGAN,
    Attack,
    AttackTarget,
    GANLeaks,
    MixupLOGAN,
)
from keras_mixup_gan.attacks.samples.gan_leaks import ModelCalibratedGANLeaks
from keras_mixup_gan.auditing import Concern, journal
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images
from tests.auditing.audits import (
    MEMBERS,
    NON_MEMBERS,
    OUTSIDE,
    CountingGAN,
    Failing,
    audit,
    comparable,
    run_in,
)


class Stopping(Attack):
    """Interrupts the audit until it is told not to."""

    name, title, requires, paper = "stopping", "Stopping", frozenset(), "none"
    stops = True

    def _score(self, images, labels):
        if self.stops:
            raise KeyboardInterrupt
        return images.mean(axis=(1, 2, 3))


def test_an_interrupted_audit_continues_where_it_was(tmp_path):
    stopping = Stopping()
    attacks = [LOGAN(), GANLeaks(300), stopping, MixupLOGAN(4)]
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path, attacks=attacks)
    stopping.stops = False
    model = CountingGAN(MEMBERS)
    resumed = run_in(tmp_path, model, attacks=attacks)
    assert model.batch_sizes == []  # nothing was generated again
    for folder in (tmp_path / "new", None):
        whole = run_in(folder, attacks=attacks)
        assert comparable(whole) == comparable(resumed)
        for result in whole.done:
            kept = resumed[result.name]
            np.testing.assert_array_equal(result.member_scores, kept.member_scores)
            np.testing.assert_array_equal(
                result.non_member_scores, kept.non_member_scores
            )


def test_a_finished_audit_is_only_read(tmp_path):
    first = run_in(tmp_path)
    model = CountingGAN(MEMBERS)
    again = run_in(tmp_path, model)
    assert model.seen == model.batch_sizes == []
    assert again.to_dict() == first.to_dict()  # times too


def changed_weights():
    model = CountingGAN(MEMBERS)
    model.weights = (np.arange(3.0) + 1,)
    return {"model": model}


@pytest.mark.parametrize(
    "change",
    [
        changed_weights,
        lambda: {"seed": 1},
        lambda: {"reference": images(41, 3)},
        lambda: {"model": CountingGAN(MEMBERS, mixup=defense())},
        lambda: {"attacks": [MixupLOGAN(5)]},
    ],
)
def test_scores_of_another_audit_are_not_taken(tmp_path, change):
    run_in(tmp_path, attacks=[MixupLOGAN(4)])
    options = {"attacks": [MixupLOGAN(4)], **change()}
    model = options.get("model") or CountingGAN(MEMBERS)
    run_in(tmp_path, **{**options, "model": model})
    assert model.seen


def test_moving_a_file_of_ours_keeps_scores_and_another_results_version_does_not(
    tmp_path, monkeypatch
):
    run_in(tmp_path, attacks="logan")
    monkeypatch.setattr(LOGAN, "__module__", "keras_mixup_gan.attacks.elsewhere")
    model = CountingGAN(MEMBERS)
    run_in(tmp_path, model, attacks="logan")
    assert not model.seen
    monkeypatch.setattr(journal, "RESULTS_VERSION", 0)
    run_in(tmp_path, model, attacks="logan")
    assert model.seen


def test_an_attack_of_ones_own_is_not_mistaken_for_ours(tmp_path):
    class Own(LOGAN):
        pass

    run_in(tmp_path, attacks="logan")
    model = CountingGAN(MEMBERS)
    run_in(tmp_path, model, attacks=Own())
    assert model.seen


def test_feature_functions_of_the_same_name_are_not_mistaken(tmp_path):
    def attack_by(channel):
        return DPI(features=lambda images: images[:, channel, :, 0], k=3)

    first = run_in(tmp_path, attacks=[attack_by(0)])["dpi"]
    assert first.status == "done"
    again = run_in(tmp_path, attacks=[attack_by(0)])["dpi"]
    assert again.seconds == first.seconds  # taken from the folder
    other = run_in(tmp_path, attacks=[attack_by(1)])["dpi"]
    assert (other.member_scores != first.member_scores).any()


def test_a_feature_function_that_fails_is_an_entry(tmp_path):
    def fails(images):
        raise RuntimeError("no features today")

    result = run_in(tmp_path, attacks=[DPI(features=fails), "logan"])["dpi"]
    assert result.status == "failed"
    assert "no features today" in result.reason


def test_other_images_of_the_same_number_are_not_mistaken(tmp_path):
    run_in(tmp_path, attacks="logan")
    model = CountingGAN(MEMBERS)
    audit(model, MEMBERS, images(110, 9), OUTSIDE, "logan", folder=tmp_path)
    assert model.seen


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "missing"])
def test_damaged_files_are_not_trusted(tmp_path, damage):
    first = run_in(tmp_path, attacks="logan")
    (path,) = tmp_path.glob("logan-*.npz")
    content = path.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes(
        {"truncated": content[:middle], "changed": changed}.get(damage, b"")
    )
    if damage == "missing":
        path.unlink()
    model = CountingGAN(MEMBERS)
    again = run_in(tmp_path, model, attacks="logan")
    assert model.seen
    assert comparable(again)["attacks"] == comparable(first)["attacks"]
    # Without a file there is nothing that claims to be a result.
    damaged = () if damage == "missing" else ("logan",)
    assert again.damaged == damaged
    warned = [w for w in again.warnings if w.concern is Concern.DAMAGED_SCORES]
    assert [warning.values["attack"] for warning in warned] == list(damaged)
    assert run_in(tmp_path, attacks="logan").warnings == first.warnings


def test_pickled_arrays_are_not_read(tmp_path):
    run_in(tmp_path, attacks="logan")
    (path,) = tmp_path.glob("logan-*.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["members"] = np.array([{}] * 120, dtype=object)
    np.savez(path, allow_pickle=True, **arrays)
    model = CountingGAN(MEMBERS)
    report = run_in(tmp_path, model, attacks="logan")
    assert model.seen
    assert report.damaged == ("logan",)


def test_failed_attacks_are_tried_again(tmp_path):
    failing = Failing(ValueError("no"))
    assert run_in(tmp_path, attacks=[failing, "logan"])["failing"].status == "failed"
    assert [path.name[:5] for path in tmp_path.iterdir()] == ["logan"]


def test_models_without_weights_are_recognized_by_what_they_do(tmp_path):
    for model in (FakeGAN(MEMBERS), images(300, 8)):
        run_in(tmp_path, model, attacks=GANLeaks(300))
        kept = sorted(path.name for path in tmp_path.iterdir())
        run_in(tmp_path, model, attacks=GANLeaks(300))
        assert sorted(path.name for path in tmp_path.iterdir()) == kept
    other = images(300, 8)
    other[299] *= 0.5
    run_in(tmp_path, other, attacks=GANLeaks(300))
    assert len(list(tmp_path.iterdir())) == len(kept) + 1


def test_a_function_that_cannot_be_recognized_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="same at every call"):
        run_in(tmp_path, lambda n: rng.uniform(-1, 1, (n, *SHAPE)))


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="folder cannot be used"):
        run_in(tmp_path / "file" / "deeper")


def test_reference_models_calibrate_and_are_part_of_the_key(tmp_path):
    attack = ModelCalibratedGANLeaks(num_samples=200)
    skipped = run_in(tmp_path, attacks=[attack, "logan"])["gan_leaks_models"]
    assert "reference models (none were given)" in skipped.reason
    for seed in (20, 21):
        model = CountingGAN(MEMBERS)
        others = [FakeGAN(images(50, seed))]
        report = run_in(tmp_path, model, attacks=attack, reference_models=others)
        assert report["gan_leaks_models"].auc > 0.9
        assert model.batch_sizes
    again = CountingGAN(MEMBERS)
    run_in(tmp_path, again, attacks=attack, reference_models=others)
    assert not again.batch_sizes


def test_kept_scores_of_other_numbers_of_queries_are_not_used(tmp_path):
    first = run_in(tmp_path, attacks=["logan"])
    path = next(tmp_path.glob("logan-*.npz"))
    arrays = storage.read_arrays(path, "scores", "")
    storage.write_arrays(path, {**arrays, "members": arrays["members"][:-1]})
    again = run_in(tmp_path, attacks=["logan"])
    assert again["logan"].auc == first["logan"].auc
    assert again.damaged == ("logan",)


def test_scores_are_private_and_not_used_once_they_were_changed(tmp_path):
    before = run_in(tmp_path, attacks="logan")
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    arrays = storage.read_arrays(path, "scores", "")
    np.savez(path, **arrays | {"members": arrays["members"] + 1})
    model = CountingGAN(MEMBERS)
    again = run_in(tmp_path, model, attacks="logan")
    assert (again.damaged, again["logan"].auc) == (("logan",), before["logan"].auc)
    assert model.seen


def test_another_range_of_a_network_is_another_model(tmp_path):
    """Its weights are the same; what it makes is read otherwise."""
    dense = keras.layers.Dense(16, "sigmoid")
    network = keras.Sequential([keras.Input((3,)), dense, keras.layers.Reshape(SHAPE)])
    parts = [np.uint8((part + 1) * 127) for part in (MEMBERS, NON_MEMBERS)]
    given = {"attacks": "gan_leaks", "folder": tmp_path, "copies": False}
    for value_range in ((-1, 1), (0, 1), (0, 1)):
        audit(network, *parts, value_range=value_range, **given)
    assert len(list(tmp_path.glob("gan_leaks*"))) == 2


def test_an_attack_that_is_fitted_finds_its_scores_again(tmp_path):
    attack = GANLeaks(20)
    for _ in range(2):
        audit(
            *(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS),
            attacks=attack,
            folder=tmp_path,
            copies=False,
        )
    assert len(list(tmp_path.glob("gan_leaks*"))) == 1


def test_many_images_of_an_array_are_known_by_blocks(monkeypatch):
    given = AttackTarget.from_model(images(50, 3)), MEMBERS[:4]
    whole = journal.behavior_digest(*given)
    monkeypatch.setattr(journal, "SAMPLE_BLOCK", 7)
    assert journal.behavior_digest(*given) == whole


PLUGIN = """
from keras_mixup_gan.attacks import Attack

class Mine(Attack):
    name, title, requires, paper = "mine", "Mine", frozenset(), "none"

    def _score(self, images, labels):
        return {sign}images.mean(axis=(1, 2, 3))
"""


def test_an_attack_whose_file_was_edited_is_run_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    areas = []
    for sign in ("", "", "-"):
        (tmp_path / "edited_attack.py").write_text(PLUGIN.format(sign=sign))
        monkeypatch.delitem(sys.modules, "edited_attack", raising=False)
        importlib.invalidate_caches()
        attack = importlib.import_module("edited_attack").Mine()
        areas.append(run_in(tmp_path / "scores", attacks=[attack])["mine"].auc)
    assert areas[0] == areas[1] != 0.5
    assert areas[2] == pytest.approx(1 - areas[0], rel=1e-12)


def test_networks_of_equal_weights_that_do_otherwise_are_told_apart(tmp_path):
    dense = keras.layers.Dense(16, "sigmoid")
    network = keras.Sequential([keras.Input((3,)), dense, keras.layers.Reshape(SHAPE)])
    mended = keras.Sequential([network, keras.layers.Rescaling(2, -1)])
    given = {"attacks": "gan_leaks", "folder": tmp_path, "value_range": (-1, 1)}
    for model in (network, mended, mended):
        audit(model, MEMBERS, NON_MEMBERS, **given)
    assert len(list(tmp_path.glob("gan_leaks*"))) == 2


class Tilted(Attack):
    name, title, requires, paper = "tilted", "Tilted", frozenset(), "none"

    def __init__(self, tilt):
        self._tilt = tilt

    def _score(self, images, labels):
        return self._tilt * images.mean(axis=(1, 2, 3))


def test_attacks_of_ones_own_are_known_by_what_they_were_given(tmp_path):
    one, other = (
        run_in(tmp_path, attacks=Tilted(tilt))["tilted"].auc for tilt in (1.0, -1.0)
    )
    assert one == pytest.approx(1 - other) != other
