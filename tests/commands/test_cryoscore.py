"""The command itself: help at once, version, plugs, errors, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest

from cryoscore_plugin import cli
from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.errors import ConfigError, MicrographError

SLOW = "torch", "pandas", "scipy", "matplotlib"


def command_that(act):
    """A command of one act."""
    return click.Command("act", callback=act)


def run(act, *words):
    return run_command(command_that(act), list(words), name="act")


def raising(error):
    def act():
        raise error

    return act


def test_version_is_said_in_one_line(shell):
    answer = shell("--version")
    assert (answer.code, answer.out) == (0, "cryoscore 0.1.0\n")


def test_module_is_the_same_command():
    words = [sys.executable, "-m", "cryoscore_plugin", "--version"]
    assert subprocess.check_output(words, text=True) == "cryoscore 0.1.0\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["denoise", "--help"], ["models", "--help"], ["relion", "-h"]]
)
def test_help_imports_nothing_slow(words):
    program = (
        "import sys; from cryoscore_plugin.cli import main; code = main(sys.argv[1:]); "
        f"print(code, [name for name in {SLOW} if name in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", program, *words], text=True)
    assert out.splitlines()[-1] == "0 []"


def test_help_lists_every_command(shell):
    answer = shell("--help")
    assert answer.code == 0
    for name in ("denoise", "doctor", "models", "relion"):
        assert f"\n  {name} " in answer.out
    assert "unavailable" not in answer.out


def test_every_command_has_a_help_page(shell):
    for name in cli.COMMANDS:
        answer = shell(name, "--help")
        assert answer.code == 0
        assert f"Usage: cryoscore {name}" in answer.out


def test_broken_plug_is_named_with_the_reason(shell, monkeypatch):
    broken = EntryPoint("broken", "nowhere:command", "cryoscore.commands")
    monkeypatch.setattr(cli, "entry_points", lambda **_group: [broken])
    answer = shell("--help")
    assert answer.code == 0
    assert "unavailable (ModuleNotFoundError: No module named 'nowhere')" in (
        " ".join(answer.out.split())
    )
    assert "denoise" in answer.out
    answer = shell("broken", "job", "--option", "3")
    assert answer.code == 1
    assert "`broken` (nowhere:command) cannot be used" in answer.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["denoise"], "Missing argument 'INPUT...'"),
        (["denoise", "x.mrc"], "Missing option '-o' / '--output'"),
        (["denoise", "x", "--nonsense"], "No such option"),
        (["denoise", "x", "-o", "o", "--tile-size", "big"], "'big' is not a valid int"),
    ],
)
def test_wrong_words_end_with_code_2(shell, words, sentence):
    answer = shell(*words)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.out == ""


def test_our_errors_are_one_sentence_without_a_traceback(capsys):
    assert run(raising(MicrographError("It is broken."))) == 1
    assert capsys.readouterr().err == "Error: It is broken.\n"
    assert run(raising(ConfigError("It is wrong."))) == 2
    assert capsys.readouterr().err == "Error: It is wrong.\n"


def test_debug_shows_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv("CRYOSCORE_DEBUG", "1")
    run(raising(MicrographError("It is broken.")))
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-v", "denoise"], ["denoise", "-v"]])
def test_verbose_shows_the_traceback(shell, tmp_path, words):
    answer = shell(*words, tmp_path / "missing.mrc", "-o", tmp_path / "out")
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert "missing.mrc does not exist" in answer.err


def test_bug_asks_for_a_report_and_keeps_the_traceback(capsys):
    assert run(raising(ZeroDivisionError("division by zero"))) == 1
    message = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: division by zero" in message
    assert "report it" in message
    assert "Traceback" not in message
    log = message.split()[-1].rstrip(".")
    with open(log, encoding="utf-8") as file:  # noqa: PTH123
        assert "Traceback" in file.read()
    os.unlink(log)  # noqa: PTH108


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")],
)
def test_signal_ends_with_its_own_code(capsys, number, code, word):
    assert run(lambda: os.kill(os.getpid(), number)) == code
    assert f"Stopped by {word}" in capsys.readouterr().err


def test_sigterm_is_given_back_after_the_command():
    before = signal.getsignal(signal.SIGTERM)
    run(lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_reader_that_goes_away_is_no_error():
    program = (
        "import sys; from cryoscore_plugin.cli import main; sys.exit(main(['--help']))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert ended.returncode == 1
    assert ended.stderr == ""


def test_locale_without_angstrom_is_no_reason_to_fail():
    ended = subprocess.run(
        [sys.executable, "-m", "cryoscore_plugin", "denoise", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "cp1251"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0
    assert "Pixel size of the inputs in ?/px" in (" ".join(ended.stdout.split()))
