"""Classes by name where data meet a model: training, files, audits, commands."""

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan import audit, zoo
from keras_mixup_gan.attacks import Attack
from keras_mixup_gan.auditing import controls
from keras_mixup_gan.callbacks import PrivacyMonitor
from keras_mixup_gan.data import Images, MembershipSplit, load_images
from keras_mixup_gan.models.saving import load_gan
from tests.command_line import run
from tests.models import tiny

NAMES = ("a", "b", "c")


def named(names, seed, number=12):
    """Images of which each class has as many, and class `a` only dark ones."""
    labels = np.arange(number) % len(names)
    images = tiny.random_images(number, seed=seed)
    dark = np.array(names)[labels] == "a"
    images[dark] = -np.abs(images[dark])
    return Images(images, labels, names)


class Spy(Attack):
    """Keeps the labels that it is asked about."""

    name = title = paper = "spy"
    requires = frozenset({"samples"})

    def _fit(self, target):
        self.reference = None if target.reference is None else target.reference.labels

    def _score(self, images, labels):
        self.labels, self.is_dark = labels, (images <= 0).all(axis=(1, 2, 3))
        return images.mean(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def model():
    model = tiny.make(num_classes=3)
    model.fit(named(NAMES, 1), batch_size=12, verbose=0)
    return model


def unnamed():
    return tiny.make(num_classes=3)


def audited(model, *data, **more):
    spy = Spy()
    report = audit(model, *data, attacks=[spy], blind=False, **more)
    return spy, report


# === Models ===


def test_a_model_takes_the_names_of_its_first_images(model):
    assert model.class_names == NAMES
    assert tiny.make(num_classes=3).class_names is None
    assert "class_names" not in tiny.make(num_classes=3).get_config()


def test_the_order_of_names_changes_nothing(model):
    data = named(NAMES, 1)
    moved = tiny.make(num_classes=3, class_names=NAMES)
    places = np.array([2, 0, 1])  # of a, b, c among b, c, a
    moved.fit(
        Images(data.images, places[data.labels], ("b", "c", "a")),
        batch_size=12,
        verbose=0,
    )
    tiny.assert_same_state(moved, model)


def test_files_carry_the_names(model, tmp_path):
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    assert load_gan(tmp_path / "model.keras").class_names == NAMES
    assert zoo.from_preset(tmp_path / "preset").class_names == NAMES


@pytest.mark.parametrize("settings", [{"num_classes": 2}, {}, {"num_classes": 2**20}])
def test_a_model_has_as_many_classes_as_names(settings):
    with pytest.raises(ValueError, match=r"`class_names` must|`num_classes` must"):
        tiny.make(class_names=NAMES, **settings)


def test_training_on_a_class_of_another_name_is_refused(model):
    with pytest.raises(ValueError, match=r"among 'a', 'b', 'c'\. Received: 'z'"):
        model.fit(named(("a", "z"), 2), batch_size=12)


def test_a_data_set_of_another_order_is_refused(model):
    class Folder:  # as `keras.utils.image_dataset_from_directory` returns
        class_names = ("c", "b", "a")

    with pytest.raises(ValueError, match=r"numbers its classes otherwise"):
        model.fit(Folder())


# === Audits ===


def test_an_audit_of_some_classes_asks_by_name(model):
    spy, _ = audited(
        model, named(NAMES, 1), named(("c", "a"), 2), reference=named(("b", "c"), 3)
    )
    assert np.bincount(spy.labels).tolist() == [10, 4, 10]
    np.testing.assert_array_equal(spy.labels == 0, spy.is_dark)
    np.testing.assert_array_equal(spy.reference, [1, 2] * 6)


def test_the_split_is_that_of_whole_folders(model):
    by_name = audited(model, named(NAMES, 1), named(("c", "b", "a"), 2))[1]
    data = named(("c", "b", "a"), 2)
    plain = audited(model, tuple(named(NAMES, 1)), (data[0], 2 - data[1]))[1]
    assert by_name.split_hash == plain.split_hash


def test_an_audit_of_an_unknown_class_is_refused(model):
    with pytest.raises(ValueError, match=r"The non_members have a class of another na"):
        audited(model, named(NAMES, 1), named(("a", "zebra"), 2))


def test_a_model_without_names_is_asked_as_ever():
    model, data = unnamed(), (named(NAMES, 1), named(NAMES, 2))
    assert audited(model, *data)[1].split_hash == (
        audited(model, *map(tuple, data))[1].split_hash
    )


@pytest.mark.parametrize("names", [("a", "c"), ("c", "b", "a")])
def test_a_model_without_names_and_other_classes_are_told(names):
    with pytest.warns(UserWarning, match=r"does not know its classes by name.*'c'"):
        audited(unnamed(), named(NAMES, 1), named(names, 2))


def test_a_null_target_has_the_same_classes(model):
    other = tiny.make(num_classes=3, class_names=("c", "b", "a"), seed=4)
    with pytest.raises(ValueError, match=r"`null_target` must have the target's class"):
        audited(model, named(NAMES, 1), named(NAMES, 2), null_target=other)


def test_the_monitor_asks_by_name(model):
    spy = Spy()
    monitor = PrivacyMonitor(named(NAMES, 1), named(("c", "a"), 2), attacks=[spy])
    monitor.set_model(model)
    monitor.set_params({"epochs": 1})
    monitor.on_train_begin()
    monitor.measure()
    np.testing.assert_array_equal(spy.labels == 0, spy.is_dark)


def test_a_split_of_named_images_trains_and_audits_a_model():
    whole = named(NAMES, 1, number=24)
    split = MembershipSplit.draw(whole, num_members=12, num_non_members=12)
    fresh = unnamed()
    fresh.fit(split.members, batch_size=12, verbose=0)
    assert fresh.class_names == NAMES
    assert audited(fresh, split.members, split.non_members)[1].num_members == 12


# === The command line ===


def write(folder, names, seed):
    data = named(names, seed)
    for number, (image, label) in enumerate(zip(*data, strict=True)):
        place = folder / names[label]
        place.mkdir(parents=True, exist_ok=True)
        pixels = ((image[..., 0] + 1) * 127.5).astype("uint8")
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


@pytest.mark.long
def test_the_command_line_asks_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(controls, "MIN_IMAGES", 10**6)
    members, out = write(tmp_path / "members", NAMES, 1), tmp_path / "audit"
    tiny.make(num_classes=3, class_names=NAMES).save(tmp_path / "named.keras")
    tiny.make(num_classes=3).save(tmp_path / "unnamed.keras")

    def command(model, names):
        folder = write(tmp_path / "-".join(names), names, 2)
        words = ["audit", tmp_path / f"{model}.keras", "--members", members]
        words += ["--non-members", folder, "--out", out, "--attacks", "logan"]
        return run(monkeypatch, capsys, *words)

    assert command("named", ("a", "c"))[0] == 0
    code, output = command("unnamed", ("a", "c"))
    assert (code, "folders of other classes" in output.err) == (2, True)
    code, output = command("named", ("a", "z"))
    assert (code, "Received: 'z'" in output.err) == (2, True)


def test_a_training_keeps_the_names_of_the_folders(tmp_path, monkeypatch, capsys):
    from keras_mixup_gan.cli import training_folder

    folder = write(tmp_path / "images", ("cat", "dog"), 1)
    (folder / "bird").mkdir()
    fixed = {"image_size": 28, "mixup": "none", "augment": None, "seed": 0}
    fixed["dp"] = lambda num_images: None
    with pytest.warns(UserWarning, match="first being 'bird'"):
        job = training_folder.resolve(
            "dcgan", data=str(folder), classes=True, batch_size=12, **fixed
        )
    assert job.model.class_names == job.data.class_names == ("cat", "dog")
    assert job.settings["num_classes"] == 2
    assert load_images(folder / "cat").class_names is None


def test_only_a_training_gives_a_model_names():
    model = unnamed()
    model.evaluate(named(("d", "e", "f"), 2), verbose=0)
    model.test_on_batch(named(("d", "e", "f"), 2))
    assert model.class_names is None
    model.numbered(named(NAMES, 1), training=True)
    assert model.class_names == NAMES
