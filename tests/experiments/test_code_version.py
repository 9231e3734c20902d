import pytest

from keras_mixup_gan.experiments.code_version import code_version, without_comments

SOURCE = '''
"""A module."""
import math

def area(radius):
    """Of a circle."""
    # pi r squared
    return math.pi * radius**2
'''


@pytest.mark.parametrize(
    "change",
    [
        ('"""A module."""', '"""Another text."""'),
        ('"""Of a circle."""', '"""Of a disc."""'),
        ("# pi r squared", ""),
        ("math.pi * radius**2", "(math.pi  *  radius ** 2)"),
    ],
)
def test_comments_and_layout_are_no_other_version(change):
    assert without_comments(SOURCE.replace(*change)) == without_comments(SOURCE)


@pytest.mark.parametrize("change", [("**2", "**3"), ("area", "surface")])
def test_other_code_is_another_version(change):
    assert without_comments(SOURCE.replace(*change)) != without_comments(SOURCE)


def test_the_version_is_a_sha256_of_what_is_installed():
    assert len(code_version()) == 64
    assert code_version() == code_version()
