"""`python -m keras_mixup_gan`: the command line."""

from keras_mixup_gan.cli import main

if __name__ == "__main__":
    main()
