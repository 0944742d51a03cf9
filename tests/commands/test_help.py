"""The help shows examples, and each of them is a command that is understood; a shell can complete."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from harness import cases
from harness.cli import COMMANDS, NAME, LazyGroup, cli
from harness.commands import verify

FILES = ("model.h5", "weights.h5", "model.json", "suspect.safetensors", "answers.npz", "results.json", "old.json")


def _examples(command: click.Command) -> list[str]:
    lines = (line.strip() for line in (command.help or "").splitlines())
    return [line for line in lines if line.startswith(f"{NAME} ")]


def _understood(line: str) -> None:
    """Parse a whole command line as the command would, without running it."""
    arguments = shlex.split(line)[1:]
    context = cli.make_context(NAME, arguments)
    with context:
        name, command, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        command.make_context(name, rest, parent=context)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).touch()
    for folder in ("models", "ported"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [None, *COMMANDS])
@pytest.mark.usefixtures("place")
def test_help_shows_examples_that_are_understood(name: str | None) -> None:
    command = cli if name is None else LazyGroup().get_command(click.Context(cli), name)
    assert command is not None
    examples = _examples(command)
    assert name is None or name in {line.split()[1] for line in examples}
    assert examples
    for line in examples:
        _understood(line)


@pytest.mark.usefixtures("place")
def test_an_example_of_an_option_that_is_not_there_is_caught() -> None:
    with pytest.raises(click.NoSuchOption):
        _understood(f"{NAME} port model.h5 -o ported --faster")
    with pytest.raises(click.BadParameter):
        _understood(f"{NAME} diagnose absent.h5 answers.npz")


@pytest.mark.parametrize(
    ("words", "expected"),
    [("lstm-parity dia", {"diagnose"}), ("lstm-parity port --lay", {"--layers-only"})],
    ids=["a command", "an option"],
)
def test_a_shell_completes(words: str, expected: set[str]) -> None:
    asked = {"_LSTM_PARITY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    ran = subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()"],
        env={**os.environ, **asked}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {line.split(",")[1] for line in ran.stdout.splitlines()} == expected, ran.stderr


def test_the_cases_that_help_names_are_there() -> None:
    words = [word for line in _examples(verify.command) for word in shlex.split(line)]
    named = [words[n + 1] for n, word in enumerate(words) if word == "--case"]
    assert named and all(cases.cases([pattern]) for pattern in named)
