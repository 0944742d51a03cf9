"""The published JSON Schema: valid itself, met by real results, and strict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import results, schema
from harness.commands import report, verify
from harness.porting.port import port_file
from harness.porting.request import Request

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def validator() -> Any:
    published = CliRunner().invoke(report.command, ["--schema"], standalone_mode=False)
    assert published.return_value == 0
    document = json.loads(published.stdout)
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def verified(folder: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    arguments = ["--case", "lstm/default@different", "--backend", "torch module", "--no-bench", "-o", str(folder)]
    CliRunner().invoke(verify.command, arguments, standalone_mode=False, catch_exceptions=False)


def ported(folder: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    port_file(GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5", None, folder, Request(), command="lstm-parity port")


@pytest.mark.parametrize("made", [verified, ported])
def test_real_results_meet_it(made: Callable[[Path], None], validator: Any, tmp_path: Path) -> None:
    made(tmp_path)
    data = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(data)] == []
    for spoil in (
        lambda d: d.pop("kind"),
        lambda d: d.update(schema=99),
        lambda d: d.update(surprise=1),
        lambda d: d["cases"][0].update(seconds="fast"),
        lambda d: d["cases"][0]["agreements"][0].update(error="small"),
        lambda d: d["cases"][0]["agreements"][0].pop("verdict"),
    ):
        changed = json.loads(json.dumps(data))
        spoil(changed)
        assert not validator.is_valid(changed)


def test_every_field_of_every_record_is_there_with_its_sentence() -> None:
    told = schema.schema()["$defs"]
    records = (
        results.Agreement, results.Case, results.Convention, results.Timing, results.Start, results.Roof,
        results.Figure, results.Mutant, results.Divergence, results.Results,
    )  # fmt: skip
    assert told.keys() == {record.__name__ for record in records}
    for record in records:
        assert told[record.__name__]["properties"].keys() == {field.name for field in fields(record)}
    assert told["Agreement"]["properties"]["verdict"]["description"].startswith("holds | fails")
    assert told["Timing"]["properties"]["shape"]["minItems"] == 4


def test_a_type_without_a_word_is_no_guess() -> None:
    with pytest.raises(TypeError, match="no word"):
        schema._of(bytes, {})
