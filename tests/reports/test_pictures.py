import io

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.reports.pictures import png, tile


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_side_by_side_with_white_between(channels):
    images = np.arange(5 * 2 * 3 * channels, dtype="uint8").reshape(5, 2, 3, channels)
    sheet = tile(images, columns=2).reshape(3 * 2 + 2, 3 + 1 + 3, channels)
    for number, image in enumerate(images):
        top, left = 3 * (number // 2), 4 * (number % 2)
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3], image)
    assert (sheet[[2, 5]] == 255).all() and (sheet[:, 3] == 255).all()
    assert (sheet[6:, 4:] == 255).all()  # no sixth image


def test_a_png_holds_the_picture_enlarged_by_whole_pixels():
    picture = np.random.default_rng(0).integers(256, size=(3, 5)).astype("uint8")
    for side, factor in ((1, 1), (9, 1), (10, 2), (16, 3)):
        found = np.asarray(Image.open(io.BytesIO(png(picture, side))))
        expected = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        np.testing.assert_array_equal(found, expected)
