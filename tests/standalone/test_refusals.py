"""What can't be stated in one file is refused by name before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graph_models import OPERATIONS, of_operation
from whole_models import alone, tagger

import weight_mapping as wm
from harness.cli import main
from weight_mapping.errors import Unrepresentable
from weight_mapping.spec import Custom, Operation, Slot
from weight_mapping.torch.standalone import MODEL, WEIGHTS, save_standalone, tracing, writing
from weight_mapping.weights import Portable


def with_operation(operation: Operation) -> Portable:
    portable = of_operation(next(iter(OPERATIONS)))
    return replace(portable, spec=replace(portable.spec, layers={**portable.spec.layers, "op": operation}))


REFUSED = {
    "Theirs": alone(Custom(class_name="Theirs"), {(): {"w": np.ones(2)}}),
    "shape": with_operation(Operation(name="shape", arguments=(Slot(0),))),
    "no place in source text": with_operation(Operation(name="einsum", arguments=("ti->t'); import os #", Slot(0)))),
}


@pytest.mark.parametrize("word", REFUSED)
def test_a_refusal_is_by_name_and_leaves_nothing(word: str, tmp_path: Path) -> None:
    with pytest.raises(Unrepresentable, match=word):
        save_standalone(REFUSED[word], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [[], ["--no-proof"]], ids=str)
def test_the_command_writes_nothing_where_the_file_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wm.save(REFUSED["shape"], tmp_path / "in.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(["port", str(tmp_path / "in.safetensors"), "-o", str(tmp_path / "out"), "--standalone", *options])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "the operation shape" in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as ended:  # the neighbour: the same port without the file
        main(["port", str(tmp_path / "in.safetensors"), "-o", str(tmp_path / "out")])
    assert not ended.value.code and (tmp_path / "out" / "model.safetensors").exists()


def test_a_keras_file_that_cannot_be_written_leaves_no_folder(tmp_path: Path) -> None:
    wm.save(REFUSED["shape"], tmp_path / "in.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(["port", str(tmp_path / "in.safetensors"), "-o", str(tmp_path / "out"), "--to", "keras", "--no-proof"])
    assert ended.value.code == 2 and not (tmp_path / "out").exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    save_standalone(tagger(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == [MODEL, WEIGHTS]
    made = writing.standalone(tagger())
    with pytest.raises(UnicodeEncodeError):
        writing.write_standalone(replace(made, text="\ud800"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_only_plain_words_numbers_and_tensors_are_written() -> None:
    for value in ("a'b", "a\nb", "\\", "é", object(), {"a": 1}, b"x", 1j, lambda: 0):
        with pytest.raises(Unrepresentable):
            tracing.render(value)
    assert tracing.render("bti,bsi->bts") == "'bti,bsi->bts'"
    assert tracing.render((1.5, -2, float("inf"), None, True)) == "(1.5, -2, torch.inf, None, True)"
