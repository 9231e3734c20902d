"""Package metadata; `pyproject.toml` only configures tools."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSIONS = (ROOT / "keras_mixup_gan" / "versions.py").read_text(encoding="utf-8")

EXTRAS = {
    "cluster": ["dask>=2025.1", "distributed>=2025.1"],
    "dp": ["tensorflow-privacy==0.9.0; python_version < '3.12'"],
    "dicom": ["pydicom>=3.0"],
    "hub": ["huggingface_hub>=1.0"],
    "onnx": ["onnxruntime>=1.20", "tf2onnx>=1.17"],
    "report": ["matplotlib>=3.8", "jinja2>=3.1"],
    "patches": ["scikit-image>=0.22"],
    # tensorflow-datasets 4.9.10 imports importlib_resources without asking for it.
    "tfds": ["importlib_resources>=6.0", "tensorflow-datasets>=4.9"],
}
EXTRAS["all"] = sorted({need for needs in EXTRAS.values() for need in needs})
# For Keras' own callback; TensorFlow no longer brings it along.
EXTRAS["tensorboard"] = ["tensorboard>=2.16"]
EXTRAS["docs"] = [
    "mkdocs>=1.6.1,<2",
    "mkdocs-material>=9.7",
    "mkdocstrings[python]>=1.0",
    "ruff>=0.8",  # breaks long signatures
]
EXTRAS["dev"] = [
    "build>=1.2",
    "hypothesis>=6.100",
    "import-linter>=2.6",
    "mypy>=1.11",
    "pytest>=8.2",
    "pytest-xdist>=3.6",
    "ruff>=0.8",
    "tf-keras>=2.20",  # runs tensorflow-privacy's own model, to compare with
    "twine>=6.0",
    *EXTRAS["tfds"],
]

setup(
    name="keras-mixup-gan",
    version=re.findall(r'^__version__ = "(.+)"', VERSIONS, re.MULTILINE)[0],
    description="GANs trained on mixtures of images, and an audit of what they leak",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["keras_mixup_gan*"]),
        "keras_mixup_gan.experiments.suites",
        "keras_mixup_gan.zoo.recipes",
    ],
    package_dir={
        "keras_mixup_gan.experiments.suites": "benchmarks/suites",
        "keras_mixup_gan.zoo.recipes": "zoo",
    },
    package_data={
        "keras_mixup_gan": ["py.typed", "metrics/*.npz", "reports/templates/*"],
        "keras_mixup_gan.experiments.suites": ["*.toml"],
        "keras_mixup_gan.zoo.recipes": [
            "manifest.json",
            "*/recipe.toml",
            "*/card.md",
            "*/samples.png",
            "*/*/preset.json",
            "*/*/weights.npz",
        ],
    },
    install_requires=[
        "joblib>=1.4",
        # Before, a .keras file could run a foreign SavedModel (CVE-2026-1462).
        "keras>=3.13.2",
        "mlxtend>=0.23",
        "numpy>=1.26",
        "pillow>=10.1",
        "rich>=13.0",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "tensorflow>=2.20",
        "threadpoolctl>=3.1",
        "typer>=0.12",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["keras-mixup-gan=keras_mixup_gan.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Security",
        "Typing :: Typed",
    ],
)
