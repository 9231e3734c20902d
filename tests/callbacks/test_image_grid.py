import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.callbacks import ImageGrid
from keras_mixup_gan.reports.render import tile
from tests.models.tiny import NUM_CLASSES, make


def pixels(path):
    """A picture without its enlargement by whole pixels."""
    picture = np.asarray(Image.open(path))
    whole = picture.shape[0] // 71  # eight images of 8 pixels, seven lines between
    return picture[::whole, ::whole]


def test_every_nth_epoch_gets_a_file_by_its_number(trainer, tmp_path):
    trainer.fit(ImageGrid(tmp_path / "new", every=2), epochs=5)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "epoch-0002.png",
        "epoch-0004.png",
    ]


def test_the_file_shows_the_images_of_fixed_latents(trainer, tmp_path):
    trainer.fit(ImageGrid(tmp_path, seed=3), epochs=2)
    expected = tile(trainer.model.generate(64, seed=3))
    assert expected.shape == (71, 71)
    np.testing.assert_array_equal(pixels(tmp_path / "epoch-0002.png"), expected)


def test_a_resumed_training_goes_on_with_the_numbers(trainer, tmp_path):
    trainer.fit(ImageGrid(tmp_path / "a"), epochs=3)
    trainer.restart().fit(ImageGrid(tmp_path / "b"), epochs=1)
    trainer.fit(ImageGrid(tmp_path / "b"), epochs=3, initial_epoch=1)
    for number in (1, 2, 3):
        name = f"epoch-000{number}.png"
        a, b = ((tmp_path / folder / name).read_bytes() for folder in "ab")
        assert a == b


def test_a_column_of_a_conditional_model_has_one_class(conditional, tmp_path):
    model = conditional.model
    conditional.fit(ImageGrid(tmp_path, num_images=25))
    classes = np.tile(np.arange(NUM_CLASSES), 8)  # 8 whole rows in 25 images
    expected = tile(model.generate(24, classes), NUM_CLASSES)
    np.testing.assert_array_equal(pixels(tmp_path / "epoch-0001.png"), expected)

    conditional.fit(ImageGrid(tmp_path, num_images=16, labels=[2, 0]))
    expected = tile(model.generate(16, np.tile([2, 0], 8)), 2)
    np.testing.assert_array_equal(pixels(tmp_path / "epoch-0001.png"), expected)
    conditional.fit(ImageGrid(tmp_path, num_images=16, labels=np.eye(3)[[2, 0]]))
    expected = tile(model.generate(16, np.tile([2, 0], 8)), 2)
    np.testing.assert_array_equal(pixels(tmp_path / "epoch-0001.png"), expected)


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ({}, {"labels": [0]}, "The model is unconditional. Expected no labels"),
        ({"num_classes": 3}, {"labels": [3]}, "must lie in 0 to 2"),
        ({"num_classes": 3}, {"labels": []}, "`labels` must name at least one class"),
        ({"image_shape": (8, 8, 2)}, {}, "gray or RGB.*1 or 3 channels"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_training(
    model, arguments, message, tmp_path
):
    model = make(**model)
    grid = ImageGrid(tmp_path, **arguments)
    grid.set_model(model)
    with pytest.raises(ValueError, match=message):
        grid.on_train_begin()


@pytest.mark.parametrize("name", ["every", "num_images"])
def test_numbers_must_be_positive(name, tmp_path):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1"):
        ImageGrid(tmp_path, **{name: 0})


def test_a_file_that_cannot_be_written_is_told_in_a_sentence(trainer, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match="The file cannot be written"):
        trainer.fit(ImageGrid(tmp_path / "taken"))
