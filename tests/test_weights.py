"""Canonical weights: shapes are held together, views can't be written, and a fingerprint is of bytes alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from weight_mapping.errors import WeightsMismatch
from weight_mapping.plain import plain
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable, Source, fingerprint

RNG = np.random.default_rng(0)


def cell(gates: int = 4, parts: int = 1, kind: str = "lstm", units: int = 3, inputs: int = 5) -> CellWeights:
    return CellWeights(
        kind=kind, kernel=RNG.normal(size=(gates, units, inputs)), recurrent=RNG.normal(size=(gates, units, units)),
        bias=RNG.normal(size=(parts, gates, units)) if parts else None,
    )  # fmt: skip


def test_what_weights_say_of_their_cell() -> None:
    assert [cell(parts=n).bias_form for n in (0, 1, 2)] == ["none", "single", "split"]
    assert [name for name, _ in cell().arrays()] == ["kernel", "recurrent", "bias"]
    assert [name for name, _ in cell(parts=0).arrays()] == ["kernel", "recurrent"]
    one = cell()
    assert (one.units, one.input_size, one.gate_kind, one.reset_after) == (3, 5, "lstm", False)
    conv = CellWeights(kind="conv_lstm", kernel=np.zeros((4, 3, 5, 2)), recurrent=np.zeros((4, 3, 3, 2)))
    assert (conv.gate_kind, conv.units, conv.input_size) == ("lstm", 3, 5)


def test_weights_are_views_that_can_not_be_written() -> None:
    given = np.zeros((1, 3, 5))
    held = CellWeights(kind="rnn", kernel=given, recurrent=np.zeros((1, 3, 3)))
    assert np.shares_memory(held.kernel, given)
    with pytest.raises(ValueError, match="read-only"):
        held.kernel[0, 0, 0] = 1
    given[0, 0, 0] = 2  # the caller's own array stays his
    assert held.kernel[0, 0, 0] == 2


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("kernel", (3, 3, 5), (4, 3, 5)), ("recurrent", (4, 3, 4), (4, 3, 3)), ("recurrent", (4, 4, 3), (4, 3, 3)),
        ("recurrent", (3, 3, 3), (4, 3, 3)), ("bias", (3, 4, 3), (1, 4, 3)), ("bias", (1, 4, 4), (1, 4, 3)),
        ("bias", (2, 3, 3), (2, 4, 3)), ("bias", (1, 3, 3), (1, 4, 3)), ("bias", (0, 4, 3), (1, 4, 3)),
    ],
)  # fmt: skip
def test_arrays_that_do_not_belong_together_are_refused(
    name: str, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    arrays = {"kernel": (4, 3, 5), "recurrent": (4, 3, 3), "bias": (2, 4, 3), name: shape}
    with pytest.raises(WeightsMismatch, match=f"lstm {name} has the wrong shape") as refused:
        CellWeights(kind="lstm", **{n: np.zeros(s) for n, s in arrays.items()})  # type: ignore[arg-type]
    assert (refused.value.found, refused.value.expected) == (shape, expected)


@pytest.mark.parametrize(
    "other",
    [
        Cell(kind="lstm", units=4), Cell(kind="gru", units=3), Cell(kind="lstm", units=3, bias="none"),
        Cell(kind="lstm", units=3, input_size=4),
    ],
)  # fmt: skip
def test_weights_of_another_cell_are_refused(other: Cell) -> None:
    own = cell()
    own.check(Cell(kind="lstm", units=3))
    own.check(Cell(kind="lstm", units=3, input_size=5))
    with pytest.raises(WeightsMismatch, match=r"^cell: weights of another cell") as refused:
        own.check(other)
    assert refused.value.found == ("lstm", 3, "single", 5)
    assert refused.value.expected == (other.kind, other.units, other.bias, other.input_size)
    with pytest.raises(WeightsMismatch, match=r"^layer/0: weights of another cell"):
        own.check(other, "layer/0")


def test_folding_adds_the_parts_of_a_bias() -> None:
    split = cell(parts=2)
    assert split.bias is not None and cell(parts=0).folded() is None
    assert np.array_equal(split.folded(), split.bias[0] + split.bias[1])  # type: ignore[arg-type]


def test_a_portables_arrays_have_flat_names() -> None:
    recurrent, dense = cell(), {"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=2)}
    spec = chain(
        "m", Input(name="x"), {"l": Recurrent(cells=(Cell(kind="lstm", units=3),)), "d": plain("dense", units=2)}
    )
    given = {("l", "0"): recurrent, ("d",): dense}
    portable = Portable(spec=spec, weights=given)
    assert list(portable.arrays()) == ["l/0/kernel", "l/0/recurrent", "l/0/bias", "d/kernel", "d/bias"]
    assert portable.arrays()["d/kernel"] is dense["kernel"]
    assert [path for path, _, _ in portable.leaves()] == [("l", "0"), ("d",)]
    assert portable.leaves()[1][1:] == (spec.layers["d"], dense)
    assert portable.fingerprints() == {name: fingerprint(array) for name, array in portable.arrays().items()}
    assert portable.source == Source()
    given.clear()  # what the caller does to his own table
    assert len(portable.weights) == 2
    with pytest.raises(TypeError):
        portable.weights["l", "0"] = recurrent  # type: ignore[index]
    assert [path for path, _, _ in Portable(spec=spec, weights={("d",): dense}).leaves()] == [("d",)]


def test_a_fingerprint_is_of_dtype_shape_and_little_endian_bytes() -> None:
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    expected = hashlib.sha256(b"<f4(2, 3)" + array.tobytes()).hexdigest()
    assert fingerprint(array) == fingerprint(array.astype(">f4")) == fingerprint(array.T.copy().T) == expected
    others = [array.reshape(3, 2), array.astype("<f8"), array + 1]
    assert len({expected, *map(fingerprint, others)}) == 4
