import io
import json
import runpy
import signal
import subprocess
import sys

import numpy as np
import pytest

from keras_mixup_gan import __version__, cli
from keras_mixup_gan.attacks import ATTACKS
from keras_mixup_gan.cli import console
from tests.command_line import run


def save(path, images):
    np.savez(path, images=images)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "digit"], "digits"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--members", "4000"], "needs 7500 images and there are 5000"),
        (["--members", "3"], "must fill at least one batch"),
        (["--steps", "0"], "`steps` must be an integer of at least 1"),
        (["--noise-multiplier", "-1"], "must be a finite number above 0"),
        (["--seed", "-1"], "`seed` must be an integer of at least 0"),
    ],
)
def test_bad_arguments_are_one_sentence(
    monkeypatch, capsys, tmp_path, arguments, message
):
    code, output = run(
        monkeypatch, capsys, "compare", "--out", str(tmp_path / "out"), *arguments
    )
    assert code == 2
    assert output.err.startswith("Error: ")
    assert message in output.err
    assert "Traceback" not in output.err


def bad_images(kind):
    images = np.zeros((200, 8, 8, 1), "float32")
    if kind == "range":
        images += 3
    elif kind == "nan":
        images[0] = np.nan
    elif kind == "shape":
        images = images[..., 0]
    elif kind == "channels":
        images = np.zeros((200, 8, 8, 0), "float32")
    elif kind == "empty":
        images = images[:0]
    elif kind == "odd":
        images = np.random.default_rng(0).uniform(-1, 1, (4200, 7, 7, 1))
        images = images.astype("float32")
    return images


@pytest.mark.parametrize("kind", ["range", "nan", "shape", "channels", "empty", "odd"])
def test_bad_images_are_one_sentence(monkeypatch, capsys, tmp_path, kind):
    path = save(tmp_path / "images.npz", bad_images(kind))
    code, output = run(
        monkeypatch, capsys, "compare", "--data", path, "--out", str(tmp_path / "out")
    )
    assert code == 2
    assert "Error: " in output.err
    assert "Received" in output.err
    assert "Traceback" not in output.err


def test_a_truncated_data_file_is_one_sentence(monkeypatch, capsys, tmp_path):
    path = tmp_path / "images.npz"
    save(path, np.zeros((200, 8, 8, 1), "float32"))
    path.write_bytes(path.read_bytes()[:300])
    code, output = run(
        monkeypatch, capsys, "compare", "--data", str(path), "--out", str(tmp_path)
    )
    assert code == 2
    assert "images.npz" in output.err
    assert "Traceback" not in output.err


def test_an_unwritable_folder_is_one_sentence(monkeypatch, capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    code, output = run(
        monkeypatch, capsys, "compare", "--quick", "--out", str(file / "out")
    )
    assert code == 2
    assert "cannot be used" in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_says_how_to_continue(monkeypatch, capsys, tmp_path, number):
    from keras_mixup_gan import experiments

    def stop(*arguments, **options):
        signal.raise_signal(number)

    before = signal.getsignal(number)
    monkeypatch.setattr(experiments, "run_grid", stop)
    code, output = run(monkeypatch, capsys, "compare", "--out", str(tmp_path))
    assert code == 128 + number
    assert signal.getsignal(number) == before
    assert output.err == "Stopped. The same command continues from here.\n"


def test_a_line_of_progress_is_written_in_one_piece(monkeypatch):
    class Pieces(io.StringIO):
        def write(self, text):
            written.append(text)

    written = []
    monkeypatch.setattr(sys, "stderr", Pieces())
    console.Console().say("step 1")
    assert [one for one in written if one] == ["step 1\n"]


def test_help_lists_the_commands(monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert "compare" in output.out


def test_the_version_is_told(monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "--version")
    assert (code, output.out) == (0, f"{__version__}\n")


def test_python_runs_the_package_as_a_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["keras_mixup_gan", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("keras_mixup_gan", run_name="__main__")
    assert not stopped.value.code
    assert capsys.readouterr().out == f"{__version__}\n"


def test_attacks_are_listed(monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "audit", "--attacks", "list")
    assert code == 0
    lines = output.out.splitlines()
    assert len(lines) == len(ATTACKS) + 1
    [line] = [line for line in lines if " gan_leaks " in line]
    assert line.startswith("* ")
    assert "needs samples" in line


def test_completion_is_offered(monkeypatch, capsys):
    code, output = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert "--install-completion" in output.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--quick"], 4),  # its cells take one core each
        (["--quick", "--jobs", "1"], 1),
        (["--quick", "--scheduler", "tcp://127.0.0.1:1"], 1),
        ([], 4),
    ],
)
def test_cells_of_one_core_are_computed_at_the_same_time(
    monkeypatch, capsys, tmp_path, arguments, expected
):
    def grid(*_, n_jobs, **settings):
        raise ValueError(f"n_jobs={n_jobs}")

    monkeypatch.setattr("joblib.cpu_count", lambda: 16)
    monkeypatch.setattr("keras_mixup_gan.experiments.run_grid", grid)
    _, output = run(
        monkeypatch, capsys, "compare", "--out", str(tmp_path / "out"), *arguments
    )
    assert f"n_jobs={expected}" in output.err


def test_what_is_left_is_told_from_what_it_took(monkeypatch, capsys):
    now = iter([0, 0, 30, 4000, 4000, 4002])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.Work() as work:
        for done in (2, 3, 6, 6):
            work.at("shadow models", done, 6, f"{done} of 6")
        for done in (0, 1):
            work.at("attacks", done, 2, f"{done} of 2")
    assert capsys.readouterr().err.splitlines() == [
        "2 of 6",
        "3 of 6 · 0:00 so far, about 0:00 left",
        "6 of 6 · 0:30 so far",
        "6 of 6 · 1:06:40 so far",
        "0 of 2",
        "1 of 2 · 0:02 so far, about 0:02 left",
    ]


def test_a_terminal_is_shown_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    with console.Work() as work:
        work.at("attacks", 1, 4, "attack [b]2[/b] of 4")
        work.say("a line beside it")
    shown = capsys.readouterr().err
    assert "attack [b]2[/b] of 4" in shown
    assert "1/4" in shown
    assert "a line beside it" in shown


def test_a_first_look_is_a_suite_of_its_own(monkeypatch, capsys):
    words = ("compare", "--quick", "--suite", "paper", "--dry-run")
    code, output = run(monkeypatch, capsys, *words)
    assert (code, "Expected `--quick` or `--suite`" in output.err) == (2, True)


def test_a_cluster_is_not_told_how_many_jobs_it_does(monkeypatch, capsys):
    words = ("compare", "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1", "--dry-run")
    code, output = run(monkeypatch, capsys, *words)
    assert (code, "Expected `--jobs` or `--scheduler`" in output.err) == (2, True)


def test_a_stream_that_lacks_a_sign_stops_no_command(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    monkeypatch.setattr(cli, "app", lambda *_, **settings: print("\u03b5 \u221e"))
    cli.main()
    sys.stdout.flush()
    assert written.getvalue().rstrip() == rb"\u03b5 \u221e"


@pytest.mark.long
def test_a_command_runs_without_a_stream_for_errors(tmp_path):
    command = [sys.executable, "-m", "keras_mixup_gan", "compare", "--dry-run"]
    without = ["sh", "-c", '"$@" 2>&-', "sh", *command, "--out", str(tmp_path / "a")]
    done = subprocess.run(without, stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)["name"] == "compare"
