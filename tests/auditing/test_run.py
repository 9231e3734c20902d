import hashlib
import json

import numpy as np
import pytest

import keras_mixup_gan
from keras_mixup_gan.attacks import (
    DPI,
    LOGAN,
    Attack,
    AttackTarget,
    GANLeaks,
    MixupLOGAN,
)
from keras_mixup_gan.attacks.samples.gan_leaks import ModelCalibratedGANLeaks
from keras_mixup_gan.attacks.shadows.lira import LiRA
from keras_mixup_gan.attacks.shadows.store import Shadows
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.statistics.roc import auc, delong_interval, tpr_at_fpr
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images

MEMBERS, NON_MEMBERS, OUTSIDE = images(120, 1), images(110, 2), images(40, 3)
FAST = ("logan", "logan_mixup", GANLeaks(num_samples=300))


def audit(*arguments, **options):
    """An audit without the blind baseline, which takes a second."""
    return keras_mixup_gan.audit(*arguments, **{"blind": False, **options})


def leaky_report(**options):
    options = {"reference": OUTSIDE, "attacks": FAST, **options}
    return audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, **options)


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
    )


def test_a_memorizing_model_is_found_out_by_every_default_attack():
    report = leaky_report()
    assert {result.name for result in report.done} == {
        "logan",
        "logan_mixup",
        "gan_leaks",
    }
    assert all(result.auc > 0.9 for result in report.done)
    assert "gives its training images away" in report.verdict


def test_a_model_of_other_data_is_not_accused():
    report = audit(
        FakeGAN(images(50, 7)), images(400, 5), images(400, 6), OUTSIDE, FAST
    )
    error = np.sqrt(801 / (12 * 400 * 400))
    assert all(abs(result.auc - 0.5) < 4 * error for result in report.done)
    assert report.verdict.startswith("No leak was found")


def test_results_are_those_of_the_attacks_and_statistics_alone():
    report = leaky_report(seed=4)
    target = AttackTarget.from_model(FakeGAN(MEMBERS), OUTSIDE, seed=4)
    for name, attack in (
        ("logan", LOGAN()),
        ("logan_mixup", MixupLOGAN()),
        ("gan_leaks", GANLeaks(num_samples=300)),
    ):
        scores = [attack.fit(target).score(part) for part in (MEMBERS, NON_MEMBERS)]
        result = report[name]
        np.testing.assert_array_equal(result.member_scores, scores[0])
        np.testing.assert_array_equal(result.non_member_scores, scores[1])
        assert result.auc == auc(*scores)
        assert result.auc_interval == delong_interval(*scores)
        assert result.operating_point == tpr_at_fpr(*scores, 0.01)


def test_samples_are_generated_once_for_all_queries():
    model = FakeGAN()
    audit(model, MEMBERS, NON_MEMBERS, attacks=GANLeaks(num_samples=300))
    assert model.batch_sizes == [300]


def test_members_and_non_members_share_batches():
    model = FakeGAN()
    audit(model, MEMBERS, NON_MEMBERS, attacks="logan")
    known = {image.tobytes() for image in MEMBERS}
    first = [image.tobytes() in known for image in model.seen[0][:60]]
    assert 15 < sum(first) < 45


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


def test_labels_reach_the_discriminator_of_a_conditional_model():
    model = FakeGAN(num_classes=5)
    labels = np.arange(120) % 5, np.arange(110) % 5
    report = audit(
        model, (MEMBERS, labels[0]), (NON_MEMBERS, labels[1]), attacks="logan"
    )
    assert report["logan"].status == "done"
    by_image = {
        image.tobytes(): label
        for image, label in zip(
            np.concatenate([MEMBERS, NON_MEMBERS]), np.concatenate(labels), strict=True
        )
    }
    for image, row in zip(model.seen[0], model.seen_labels[0], strict=True):
        assert row.argmax() == by_image[image.tobytes()]


# === What runs, what is skipped, what fails ===


def test_without_reference_the_adaptive_attack_is_listed_as_skipped():
    report = audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, seed=0)
    skipped = report["logan_mixup"]
    assert skipped.status == "skipped"
    assert "no reference was given" in skipped.reason
    done = [result.status == "done" for result in report.attacks]
    assert done == sorted(done, reverse=True)
    ran = {result.name for result in report.done}
    assert ran == {"logan", "critic_fluctuation", "gan_leaks"}
    assert report.to_dict()["attacks"]["logan_mixup"]["auc"] is None
    assert not report.warnings  # the model was not trained with mixup


def test_ignoring_a_known_defense_is_warned_about():
    model = FakeGAN(MEMBERS, mixup=defense())
    report = audit(model, MEMBERS, NON_MEMBERS, attacks="logan")
    assert "no attack that knows it was run" in report.warnings[0]
    assert report.to_dict()["mixup"]["num_samples"] == 2
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks="logan_mixup")
    assert not report.warnings


def test_samples_alone_can_be_audited():
    rng = np.random.default_rng(0)
    for model in (images(200, 8), lambda n: rng.uniform(-1, 1, (n, *SHAPE))):
        report = audit(model, MEMBERS, NON_MEMBERS)
        assert [result.name for result in report.done] == ["gan_leaks"]
        assert report.access == ("samples",)


def test_a_failed_attack_is_an_entry_and_the_others_go_on():
    report = leaky_report(attacks=[Failing(RuntimeError("out\nof luck")), "logan"])
    failed = report["failing"]
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: out of luck")
    assert report["logan"].status == "done"
    assert report.strongest is report["logan"]


def test_an_audit_without_any_result_says_so():
    report = leaky_report(attacks=[Failing(ValueError("no"))])
    assert "no attack could be run" in report.verdict
    assert report.strongest is None
    assert report["failing"].reason == "no"


def test_an_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        leaky_report(attacks=[Failing(KeyboardInterrupt())])


def test_two_attacks_of_a_kind_have_names_of_their_own():
    report = leaky_report(attacks=[GANLeaks(50), GANLeaks(300)])
    assert report["gan_leaks"].settings["num_samples"] == 50
    assert report["gan_leaks_2"].settings["num_samples"] == 300


def test_results_are_sorted_by_threat():
    weak = Scripted(lambda x: x)
    report = leaky_report(attacks=[Failing(ValueError("no")), weak, "logan"])
    assert [result.name for result in report.attacks] == [
        "logan",
        "scripted",
        "failing",
    ]
    assert report["logan"].auc > report["scripted"].auc
    assert report.strongest is report["logan"]


def test_progress_is_told_before_each_attack_and_at_the_end():
    calls = []
    leaky_report(progress=lambda *state: calls.append(state))
    assert [call[1:] for call in calls] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert calls[0][0] == LOGAN.title
    assert calls[-1][0] == ""


# === Verdict and warnings ===


def test_few_queries_and_repeated_images_are_warned_about():
    repeated = np.concatenate([images(30, 1), images(3, 1)])
    report = audit(FakeGAN(), repeated, images(40, 2), attacks="logan")
    text = " ".join(report.warnings)
    assert "Only 33 members and 40 non-members" in text
    assert "a leak below AUC 0.69 would probably have gone unnoticed" in text
    assert "3 images of the members repeat" in text
    assert "no false positive at all" in text


def test_sets_that_differ_without_a_model_are_warned_about():
    brighter = np.clip(NON_MEMBERS + 0.5, -1, 1)
    options = {"attacks": "logan", "blind": True}
    report = audit(FakeGAN(), MEMBERS, brighter, **options)
    assert report.blind.auc > 0.8
    assert "differ without any model" in report.warnings[0]
    assert report.verdict.startswith("Whether the model leaks cannot be told")
    assert report.to_dict()["blind"]["auc"] == report.blind.auc
    alike = audit(FakeGAN(), MEMBERS, NON_MEMBERS, **options)
    assert abs(alike.blind.auc - 0.5) < 4 * np.sqrt(231 / (12 * 120 * 110))
    warned = any("without any model" in warning for warning in alike.warnings)
    assert warned == alike.blind.is_shifted
    too_few = audit(FakeGAN(), MEMBERS[:9], NON_MEMBERS, **options)
    assert too_few.blind is None


def test_an_audit_says_what_it_could_have_seen():
    small = audit(FakeGAN(), MEMBERS[:60], NON_MEMBERS[:60], attacks="logan")
    assert small.detectable_auc == pytest.approx(0.648, abs=0.001)
    several = audit(FakeGAN(), MEMBERS[:60], NON_MEMBERS[:60], OUTSIDE, FAST)
    assert several.detectable_auc > 0.65
    assert "below AUC 0.67 would probably" in several.warnings[0]


def test_the_size_of_a_leak_is_that_on_the_half_that_did_not_choose():
    report = leaky_report()
    found = report.strongest_held_out
    assert found.operating_point.num_members == 60
    assert f"AUC {found.auc:.3f}" in report.verdict
    assert "on the other half" in report.verdict
    alone = leaky_report(attacks="logan")
    assert f"reaches AUC {alone['logan'].auc:.3f}" in alone.verdict


def test_an_auc_below_one_half_is_no_privacy():
    values = np.linspace(-1, 1, 200)
    report = report_of(lambda x: -x, np.clip(values + 0.5, -1, 1), values * 0.999)
    assert report["scripted"].auc < 0.4
    assert "scores non-members higher" in report.warnings[0]
    assert report.verdict.startswith("No leak was found")


def test_a_leak_of_few_images_is_seen_although_the_auc_is_not():
    values = np.linspace(-0.9, 0.9, 400)
    members = values.copy()
    members[::20] = 0.95  # 5 % of the members stand out
    report = report_of(lambda x: x, members, values * 0.999)
    assert report["scripted"].auc_interval[0] < 0.5
    assert report.verdict.startswith("Some training images are exposed")


@pytest.mark.parametrize(
    ("shift", "words"), [(0.14, "leaks a little"), (0.35, "clearly leaks")]
)
def test_the_verdict_grows_with_the_leak(shift, words):
    values = np.linspace(-0.5, 0.5, 600)
    report = report_of(lambda x: x, values + 0.5 * shift, values * 0.999)
    assert words in report.verdict


def test_models_that_leak_nothing_are_rarely_accused():
    accused = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        members, non_members = rng.uniform(-1, 1, (2, 60))
        values = np.concatenate([members, non_members])
        noise = dict(zip(np.float32(values), rng.normal(size=120), strict=True))
        report = report_of(
            lambda x, noise=noise: np.array([noise[np.float32(v)] for v in x]),
            members,
            non_members,
        )
        accused += not report.verdict.startswith("No leak")
    # At most 5 % in truth; four standard errors above.
    assert accused / 200 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


# === Queries ===


def test_what_each_attack_asked_is_counted():
    model = FakeGAN(MEMBERS)
    attacks = ["logan", GANLeaks(300), GANLeaks(200), MixupLOGAN(4, (0.5, 0.7))]
    report = audit(model, MEMBERS, NON_MEMBERS, OUTSIDE, attacks)
    assert report["logan"].num_queries == {"discriminator": 230}
    assert report["gan_leaks"].num_queries == {"samples": 300}
    assert report["gan_leaks_2"].num_queries == {"samples": 200}
    # Four blends at two weights, of all queries and of the calibration images.
    blends = report["logan_mixup"].num_queries["discriminator"]
    assert blends == 8 * (230 + 20)


def test_samples_are_generated_once_for_all_attacks():
    model = FakeGAN()
    attacks = [GANLeaks(300), GANLeaks(300)]
    report = audit(model, MEMBERS, NON_MEMBERS, attacks=attacks)
    assert model.batch_sizes == [300]
    first, second = report["gan_leaks"], report["gan_leaks_2"]
    np.testing.assert_array_equal(first.member_scores, second.member_scores)


# === Going on after an interruption ===


class Stopping(Attack):
    """Interrupts the audit until it is told not to."""

    name, title, requires, paper = "stopping", "Stopping", frozenset(), "none"
    stops = True

    def _score(self, images, labels):
        if self.stops:
            raise KeyboardInterrupt
        return images.mean(axis=(1, 2, 3))


class CountingGAN(FakeGAN):
    """A model that is recognized by its weights."""

    weights = (np.arange(3.0),)

    def get_weights(self):
        return self.weights


def comparable(report):
    content = report.to_dict()
    for result in content["attacks"].values():
        del result["seconds"]
    return content


def run_in(folder, model=None, **options):
    arguments = {"reference": OUTSIDE, "attacks": FAST, "folder": folder, **options}
    model = CountingGAN(MEMBERS) if model is None else model
    return audit(model, MEMBERS, NON_MEMBERS, **arguments)


def test_an_interrupted_audit_goes_on_where_it_was(tmp_path):
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


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "missing"])
def test_damaged_files_are_not_trusted(tmp_path, suffix, damage):
    first = run_in(tmp_path, attacks="logan")
    (path,) = tmp_path.glob(f"logan-*{suffix}")
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
    warned = [warning for warning in again.warnings if "were damaged" in warning]
    # Without an entry there is nothing that claims to be a result.
    assert len(warned) == (0 if (suffix, damage) == (".json", "missing") else 1)
    assert run_in(tmp_path, attacks="logan").warnings == first.warnings


def test_pickled_arrays_are_not_read(tmp_path):
    """Checksums only tell accidents; an array of objects is refused all the same."""
    run_in(tmp_path, attacks="logan")
    (arrays,) = tmp_path.glob("logan-*.npz")
    (entry,) = tmp_path.glob("logan-*.json")
    objects = np.array([{}] * 120, dtype=object)
    np.savez(arrays, members=objects, non_members=objects, allow_pickle=True)
    content = json.loads(entry.read_text())
    del content["sha256"]
    content["arrays_sha256"] = hashlib.sha256(arrays.read_bytes()).hexdigest()
    text = json.dumps(content, sort_keys=True)
    content["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    entry.write_text(json.dumps(content))
    model = CountingGAN(MEMBERS)
    report = run_in(tmp_path, model, attacks="logan")
    assert model.seen
    assert "were damaged" in report.warnings[-1]


def test_failed_attacks_are_tried_again(tmp_path):
    failing = Failing(ValueError("no"))
    assert run_in(tmp_path, attacks=failing)["failing"].status == "failed"
    assert list(tmp_path.iterdir()) == []


def test_models_without_weights_are_recognized_by_what_they_do(tmp_path):
    for model in (FakeGAN(MEMBERS), images(300, 8)):
        run_in(tmp_path, model, attacks=GANLeaks(300))
        kept = sorted(path.name for path in tmp_path.iterdir())
        run_in(tmp_path, model, attacks=GANLeaks(300))
        assert sorted(path.name for path in tmp_path.iterdir()) == kept
    other = images(300, 8)
    other[299] *= 0.5
    run_in(tmp_path, other, attacks=GANLeaks(300))
    assert len(list(tmp_path.iterdir())) == len(kept) + 2


def test_a_function_that_cannot_be_recognized_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="same at every call"):
        run_in(tmp_path, lambda n: rng.uniform(-1, 1, (n, *SHAPE)))


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="folder of the audit cannot be used"):
        run_in(tmp_path / "file" / "deeper")


# === Reference models, shadow models ===


def test_reference_models_calibrate_and_are_part_of_the_key(tmp_path):
    attack = ModelCalibratedGANLeaks(num_samples=200)
    skipped = run_in(tmp_path, attacks=attack)["gan_leaks_models"]
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


def test_a_number_of_shadows_runs_the_whole_protocol(tmp_path):
    told = []
    report = shadowed(tmp_path, progress=lambda title, *_: told.append(title))
    assert report["lira"].status == "done"
    assert report["lira"].auc > 0.9
    assert "4 shadow models" in report.warnings[-1]
    assert told[0] == "shadow model 1 of 4 is trained"
    (kept,) = tmp_path.glob("shadows-*")
    told.clear()
    again = shadowed(tmp_path, progress=lambda title, *_: told.append(title))
    assert comparable(again) == comparable(report)
    assert not any("is trained" in title for title in told)
    shadows = Shadows.load(kept)
    model = Trainable(MEMBERS)
    model.weights = (MEMBERS,)
    given = run_in(None, model, attacks=LiRA(), shadows=shadows)
    np.testing.assert_array_equal(
        given["lira"].member_scores, report["lira"].member_scores
    )


def test_shadows_cannot_be_trained_without_saying_how():
    with pytest.raises(ValueError, match="`fit` is needed"):
        audit(Trainable(MEMBERS), MEMBERS, NON_MEMBERS, attacks=LiRA(), shadows=4)
    with pytest.raises(ValueError, match="`shadows` must be"):
        audit(FakeGAN(MEMBERS), MEMBERS, NON_MEMBERS, attacks=LiRA(), shadows=1)


# === Refusals ===


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
        ({"members": (MEMBERS * 127).astype("uint8")}, "`members` must be floating"),
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


def test_an_unknown_result_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'logan"):
        leaky_report(attacks="logan")["logen"]


def test_the_report_is_plain_json():
    report = leaky_report(attacks=[*FAST, Failing(ValueError("no"))]).to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["schema_version"] == 1
    assert set(report["attacks"]["logan"]) >= {"auc", "auc_ci", "tpr_at_fpr", "n"}
    assert report["attacks"]["logan"]["n"] == {"members": 120, "non_members": 110}
