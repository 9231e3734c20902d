"""A command of the command line, in this process."""

import sys

import pytest

from keras_mixup_gan.cli import main


def run(monkeypatch, capsys, *arguments):
    """Exit code and output of a command; a command that ends well exits with 0."""
    monkeypatch.setattr(sys, "argv", ["keras-mixup-gan"])
    with pytest.raises(SystemExit) as stopped:
        main(*map(str, arguments))
    return stopped.value.code or 0, capsys.readouterr()
