"""The cards of the zoo are what their presets' results make, and have a picture."""

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import cards

CARDS = sorted((Path(__file__).parents[2] / "zoo").glob("*/card.md"))


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_a_card_is_made_from_results_and_shows_each_preset(card):
    results = card.parent.glob("*/results.json")
    found = [json.loads(path.read_text("utf-8")) for path in results]
    found.sort(key=cards._order)
    assert cards.render(card.parent.name, found) == card.read_text("utf-8")
    assert f"]({cards.PICTURE})" in card.read_text("utf-8")
    with Image.open(card.with_name(cards.PICTURE)) as picture:
        assert len(found) == round(8 * picture.height / picture.width)
