"""The comparison of the defenses: `python -m benchmarks.compare --help`."""

from keras_mixup_gan.cli import main

if __name__ == "__main__":
    main("compare")
