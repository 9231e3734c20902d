"""The engineer: from a folder of gray images to a report and a generator."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.guides import commands

pytestmark = pytest.mark.slow

SIDE = 64


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of 64x64 gray images, cut from the photographs of scikit-image."""
    data = pytest.importorskip("skimage.data")
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry"):
        picture = np.asarray(Image.fromarray(getattr(data, name)()).convert("L"))
        for top in range(0, picture.shape[0] - SIDE + 1, SIDE):
            for left in range(0, picture.shape[1] - SIDE + 1, SIDE):
                tile = picture[top : top + SIDE, left : left + SIDE]
                if tile.std() > 4:  # else of sky, and alike
                    path = folder / f"{name}-{top}-{left}.png"
                    Image.fromarray(tile).save(path)
    return folder


def test_from_a_folder_to_a_report_and_a_generator(installed, photographs, tmp_path):
    told = [words for words in commands("training.md") if "runs/mine" in words]
    [split] = [words for words in commands("training.md") if words[0] == "split"]
    split[split.index("path/to/images")] = photographs
    quick = {
        "train": ["--image-size", SIDE, "--steps", 4, "--batch-size", 16],
        "audit": ["--fast", "--out", "runs/audit"],
    }
    assert [words[0] for words in told] == ["train", "generate", "audit", "export"]
    for words in (split, *told):
        installed.run(tmp_path, "keras-mixup-gan", *words, *quick.get(words[0], ()))
    parts = {
        name: {path.name for path in (tmp_path / "data" / name).glob("*.png")}
        for name in ("members", "non_members", "reference")
    }
    number, used = len(list(photographs.iterdir())), set().union(*parts.values())
    assert number - 3 < sum(map(len, parts.values())) == len(used) <= number
    assert min(map(len, parts.values())) > 20

    report = json.loads((tmp_path / "runs/audit/audit.json").read_text("utf-8"))
    assert report["attacks"] and report["release"] == "generator"
    assert (tmp_path / "runs/audit/audit.html").stat().st_size > 10_000
    with Image.open(tmp_path / "pictures.png") as pictures:
        assert pictures.mode == "L"
    # What she hands over needs nothing of ours, and makes gray images of her size.
    shape = installed.run(
        *(tmp_path, "python", "-c"),
        "import numpy as np, onnxruntime\n"
        "model = onnxruntime.InferenceSession('generator.onnx')\n"
        "[latents] = model.get_inputs()\n"
        "noise = np.zeros((3, latents.shape[1]), 'float32')\n"
        "print(model.run(None, {latents.name: noise})[0].shape)",
    )
    assert shape.strip() == f"(3, {SIDE}, {SIDE}, 1)"
