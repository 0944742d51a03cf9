"""What `units` configures: shapes and counts as NumPy has them, and the claim of N copies measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from harness.commands.explain import command
from harness.explain import convolution, recurrent, scalar_copies
from harness.results import Results
from reports.render import page
from weight_mapping import oracle, packing
from weight_mapping.errors import PortingError
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Recurrent
from weight_mapping.weights import BIAS_PARTS, CellWeights

KINDS = ("lstm", "gru", "rnn")


def _weights(cell: Cell) -> CellWeights:
    rng, gates, inputs = np.random.default_rng(3), len(cell.gates), cell.input_size or 1
    return CellWeights(
        kind=cell.kind,
        kernel=rng.standard_normal((gates, cell.units, inputs)),
        recurrent=rng.standard_normal((gates, cell.units, cell.units)),
        bias=rng.standard_normal((BIAS_PARTS[cell.bias], gates, cell.units)),
        reset_after=cell.reset_after,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("units", "inputs"), [(3, 5), (4, 4), (1, 7)])
def test_shapes_and_counts_are_those_of_the_real_arrays(kind: str, units: int, inputs: int) -> None:
    cell = recurrent.usual(kind, units, inputs)  # type: ignore[arg-type]
    told = recurrent.explain(cell, batch=2, time=6)
    keras = packing.pack("keras", _weights(cell))
    assert {a["name"]: tuple(a["shape"]) for a in told["arrays"]} == {n: a.shape for n, a in keras.items()}
    assert told["parameters"] == sum(a.size for a in keras.values())
    assert told["formula"].endswith(f"= {told['parameters']}")
    torch = packing.pack("torch", _weights(cell))
    shapes = {a["name"]: tuple(a["shape"]) for a in told["pytorch"]["arrays"]}
    assert {n.removesuffix("_l0"): s for n, s in shapes.items()} == {
        n.removesuffix("_l0"): a.shape for n, a in torch.items()
    }
    assert told["pytorch"]["parameters"] == sum(a.size for a in torch.values())


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_over_time_are_those_of_the_oracle(kind: str) -> None:
    cell = recurrent.usual(kind, 3, 5)  # type: ignore[arg-type]
    told = recurrent.explain(cell, batch=2, time=6)
    for row in told["returns"]:
        layer = Recurrent(cells=(cell,), return_sequences=row["return_sequences"], return_state=row["return_state"])
        outputs = oracle.forward(layer, {("0",): _weights(cell)}, np.ones((2, 6, 5))).outputs
        assert [tuple(shape) for _, shape in row["outputs"]] == [y.shape for y in outputs]


@pytest.mark.parametrize("merge", ["concat", "sum", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_have_the_shapes_of_the_oracle(kind: str, merge: Any) -> None:
    cell = recurrent.usual(kind, 3, 5, reset_after=False)  # type: ignore[arg-type]
    told = recurrent.explain(cell, batch=2, time=6, merge=merge)
    assert f"2 x {told['parameters']} = {2 * told['parameters']} numbers" in told["answer"][-2]
    for row in told["returns"]:
        run = {"return_sequences": row["return_sequences"], "return_state": row["return_state"]}
        sides = [Recurrent(cells=(cell,), go_backwards=back, **run) for back in (False, True)]
        layer = Bidirectional(forward=sides[0], backward=sides[1], merge=merge)
        weights = {(side, "0"): _weights(cell) for side in ("forward", "backward")}
        outputs = oracle.forward(layer, weights, np.ones((2, 6, 5))).outputs
        assert [tuple(shape) for _, shape in row["outputs"]] == [y.shape for y in outputs]


CONVS = {
    "as Keras builds it": convolution.usual(4, 3, 3),
    "one of everything": ConvCell(
        rank=1, units=5, kernel_size=(4,), strides=(2,), padding="same", dilation=(1,), input_size=2, bias="none"
    ),
    "three axes": ConvCell(
        rank=3, units=2, kernel_size=(3, 2, 1), strides=(1, 1, 1), padding="valid", dilation=(2, 1, 1), input_size=4
    ),
    "channels first": ConvCell(
        rank=2, units=6, kernel_size=(2, 3), strides=(1, 2), padding="same", dilation=(1, 1), input_size=3,
        channels_first=True,
    ),
}  # fmt: skip


def _conv_weights(cell: ConvCell) -> CellWeights:
    rng, g, u = np.random.default_rng(4), 4, cell.units
    return CellWeights(
        kind="conv_lstm",
        kernel=rng.standard_normal((g, u, cell.input_size or 1, *cell.kernel_size)),
        recurrent=rng.standard_normal((g, u, u, *cell.kernel_size)),
        bias=None if cell.bias == "none" else rng.standard_normal((1, g, u)),
    )


@pytest.mark.parametrize("name", CONVS)
def test_a_conv_lstm_has_the_shapes_of_the_real_arrays_and_of_the_oracle(name: str) -> None:
    cell, image = CONVS[name], (7, 6, 5)[: CONVS[name].rank]
    layers = [
        Recurrent(cells=(cell,), return_sequences=sequences, return_state=state)
        for sequences in (False, True)
        for state in (False, True)
    ]
    told = convolution.explain(cell, batch=2, time=3, image=image, layer=layers[1])
    keras = packing.pack("keras", _conv_weights(cell))
    assert {a["name"]: tuple(a["shape"]) for a in told["arrays"]} == {n: a.shape for n, a in keras.items()}
    assert told["parameters"] == sum(a.size for a in keras.values())
    assert told["formula"].endswith(f"= {told['parameters']}") and str(np.prod(cell.kernel_size)) in told["formula"]
    assert told["pytorch"]["parameters"] == told["parameters"]
    x = np.ones(tuple(told["steps"][0]["shape"]))
    assert x.shape == ((2, 3, 3, 7, 6) if cell.channels_first else (2, 3, *image, cell.input_size))
    for row, layer in zip(told["returns"], layers, strict=True):
        outputs = oracle.forward(layer, {("0",): _conv_weights(cell)}, x).outputs
        assert [tuple(shape) for _, shape in row["outputs"]] == [y.shape for y in outputs]
    assert [row["own"] for row in told["returns"]] == [False, True, False, False]


def test_how_far_one_place_reaches_is_measured() -> None:
    assert convolution.spreading(CONVS["as Keras builds it"]) == [(3, 3), (5, 5), (7, 7)]
    assert convolution.spreading(CONVS["one of everything"]) == [(2,), (5,), (8,)], "a stride halves the first"
    assert convolution.spreading(convolution.usual(1, 1, 1)) == [(1, 1)] * 3, "with a window of one, none"


def test_a_conv_lstm_is_copies_of_one_filter_only_where_no_filter_sees_another() -> None:
    found = scalar_copies.measure(CONVS["as Keras builds it"])
    assert found.diagonal < 1e-12 < 1e-2 < found.full


def test_an_image_too_small_for_the_window_is_refused() -> None:
    with pytest.raises(PortingError, match="larger than the image"):
        convolution.explain(convolution.usual(2, 3, 5), batch=1, time=2, image=(4, 9))


@pytest.mark.parametrize("file", ["k1.2.2_theano_convlstm_tf", "k2.2.4_theano_convlstm_channels_first"])
def test_a_files_conv_lstm_is_explained_on_its_own_images(file: str, tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "conv" / f"{file}.h5"
    result = _run(str(golden), "-o", str(tmp_path))
    assert result.exit_code == 0, result.exception
    assert "images of 6 x 6 with 3 channels" in result.output
    html = (tmp_path / "explain.html").read_text()
    assert "4 x 4 = 16 filters" in html and "copies of a layer of one filter" in html


def test_the_other_gru_and_both_ways_are_asked_for_by_name(tmp_path: Path) -> None:
    told = json.loads(_run("--cell", "gru", "--reset-before", "--bidirectional", "sum", "--json").output)["layers"][0]
    assert told["arrays"][2]["shape"] == [9] and "lacks this cell" in told["pytorch"]["call"]
    others = (["--window", "3"], ["--image", "9"], ["--cell", "conv_lstm", "--bidirectional", "sum"])
    for wrong in (["--reset-before"], ["--bidirectional", "sum", str(tmp_path)], *others):
        assert isinstance(_run(*wrong).exception, click.UsageError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_copies_of_one_unit_only_where_no_unit_sees_another(kind: str) -> None:
    found = scalar_copies.measure(recurrent.usual(kind, 6, 4))  # type: ignore[arg-type]
    assert found.diagonal < 1e-12 < 1e-2 < found.full
    one = scalar_copies.measure(recurrent.usual(kind, 1, 4))  # type: ignore[arg-type]
    assert max(one.full, one.diagonal) < 1e-12


def test_a_large_layer_is_measured_at_64() -> None:
    assert scalar_copies.measure(recurrent.usual("rnn", 5000, 300)).units == 64


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(command, list(arguments), standalone_mode=False)


def test_the_terminal_answers_with_numbers(tmp_path: Path) -> None:
    result = _run("--units", "3", "--input", "5", "-o", str(tmp_path))
    assert result.return_value == 0
    everything = "return_sequences=True  return_state=True   h at all 4 steps (2, 4, 3), state h (2, 3), state c (2, 3)"
    formula = "4 x (3 x 5 + 3 x 3 + 1 x 3) = 108"
    for said in ("LSTM(3) on inputs of width 5", "(5, 12)", "(3, 12)", "(12,)", formula, everything):
        assert said in result.output
    html = (tmp_path / "explain.html").read_text()
    assert "What LSTM(3) configures" in html and ">W_i</text>" in html and ">recurrent_kernel (3, 12)</text>" in html


def test_json_is_all_there_is_on_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = json.loads(_run("--cell", "gru", "--units", "7", "--json").output)["layers"][0]
    assert told["arrays"][0]["shape"] == [5, 21]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [["--units", "0"], ["--units", "many"], ["--cell", "transformer"], ["--time", "-1"]])
def test_wrong_sizes_are_refused(wrong: list[str]) -> None:
    assert CliRunner().invoke(command, wrong).exit_code == 2


def test_every_recurrent_layer_of_a_file_is_explained(shared: Callable[[str], Path], tmp_path: Path) -> None:
    file = next(iter(sorted(shared("golden").glob("*lstm2*.h5"))))
    result = _run(str(file), "-o", str(tmp_path))
    assert result.exit_code == 0, result.exception
    assert result.output.count("recurrent_kernel full") == 2
    assert (tmp_path / "explain.html").read_text().count("One step</h3>") == 2


@pytest.mark.parametrize(
    "change",
    [{"units": "x"}, {"arrays": []}, {"steps": 5}, {"copies": None}, {"gates": [{}]}, {"returns": [1]}],
)
def test_an_explanation_of_another_shape_is_listed_plainly(change: dict[str, Any]) -> None:
    layer = {**recurrent.explain(recurrent.usual("lstm", 3, 5), batch=2, time=4), **change}
    html = page(Results(kind="explain", command="", environment={}, explanation={"layers": [layer]}))
    assert "One step</h3>" not in html and "pytorch.call" in html
