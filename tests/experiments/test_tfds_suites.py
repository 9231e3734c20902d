"""The suites for data sets of tfds, on small stand-ins in their real format."""

import dataclasses

import numpy as np
import pytest

from keras_mixup_gan.experiments import Suite, run_grid

tfds = pytest.importorskip("tensorflow_datasets")
registered = pytest.importorskip("tensorflow_datasets.core.registered")

# Name of the data set: the features of the real one, and the shape of its images.
REAL = {
    "cifar10": (
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(num_classes=10),
        },
        (32, 32, 3),
    ),
    "celeb_a": (
        {
            "image": tfds.features.Image(shape=(218, 178, 3)),
            "landmarks": {"nose_x": np.int64},
            "attributes": {"Male": np.bool_},
        },
        (218, 178, 3),
    ),
}


def write_stand_in(folder, name, num_images=90):
    """Prepares noise in the format of a data set; `builder_from_directory` reads it."""
    features, shape = REAL[name]
    random = np.random.default_rng(0)
    values = {
        "id": lambda i: f"train_{i:05}",
        "image": lambda i: random.integers(0, 256, shape, dtype="uint8"),
        "label": lambda i: i % 10,
        "landmarks": lambda i: {"nose_x": i},
        "attributes": lambda i: {"Male": i % 2 == 0},
    }
    with registered.skip_registration():

        class Builder(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("3.0.2")

            def _info(self):
                return tfds.core.DatasetInfo(
                    builder=self, features=tfds.features.FeaturesDict(features)
                )

            def _split_generators(self, _):
                rows = (
                    (i, {key: values[key](i) for key in features})
                    for i in range(num_images)
                )
                return {"train": rows}

            def _generate_examples(self):
                raise NotImplementedError

    Builder.name = name
    Builder(data_dir=str(folder)).download_and_prepare()
    tfds.builder_from_directory(str(folder / name / "3.0.2"))


@pytest.mark.long
@pytest.mark.parametrize(("name", "block"), [("cifar10", 1), ("celeb_a", 0)])
def test_a_suite_runs_on_a_stand_in(name, block, tmp_path):
    write_stand_in(tmp_path, name)
    suite = Suite.read(name)
    assert suite.data.data == f"tfds:{name}"
    assert suite.data.image_shape in (None, (64, 64, 3))
    block = dataclasses.replace(
        suite.blocks[block],
        members=(16,),
        width=4,
        arms=("mixup-paper",),
        checkpoints=(1,),
        shadows=0,
        shadow_arms=(),
    )
    small = dataclasses.replace(
        suite,
        data=dataclasses.replace(
            suite.data,
            image_shape=suite.data.image_shape and (16, 16, 3),
            non_members=20,
            reference=40,
            data_dir=str(tmp_path),
        ),
        blocks=(block,),
        seeds=(0,),
        batch_size=8,
        num_samples=16,
        num_blends=1,
        num_generated=40,
    )
    results = run_grid(small, tmp_path / "out")
    assert results.missing == ()
    for cell in results.cells:
        assert set(cell.last.done) == {"logan", "logan_mixup", "gan_leaks"}
        fid = cell.last.metric("FID")
        assert (fid.num_generated, fid.num_real) == (40, 40)
        assert np.isfinite(fid.value)
