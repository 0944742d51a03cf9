"""Layouts: how each format stores one cell's numbers. A row is data; `packing` reads it both ways.

A pattern names an array's axes: `i (g h)` is an array of two axes, the second one gates times units, gate-major. `{g}`
in a name makes one array a gate, `{p}` one a bias part. An axis that a pattern lacks has size 1 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weight_mapping.spec import GATES


@dataclass(frozen=True, slots=True)
class ArrayRow:
    """One stored array (or one a gate): its name, the canonical array it belongs to, its axes.

    `memory` is for formats that keep one shape and lay the numbers out for another: the array is brought to the first
    order of axes, and its memory is then taken for the second."""

    name: str
    canonical: str
    pattern: str
    memory: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One cell kind in one format. `gates` are the canonical letters in the file's order; `parts` fill `{p}`.

    `reset_after` None: the format's cell knows no such choice. `source` says where the fact was read or measured."""

    format: str
    kind: str
    bias: str
    gates: str
    arrays: tuple[ArrayRow, ...]
    source: str
    reset_after: bool | None = None
    parts: tuple[str, str] = ("ih", "hh")
    letters: str = ""
    """The format's own letters for the gates in names, where they differ from the canonical ones."""


def _rows(kernel: str, recurrent: str, bias: str | None, *patterns: str) -> tuple[ArrayRow, ...]:
    rows = [ArrayRow(kernel, "kernel", patterns[0]), ArrayRow(recurrent, "recurrent", patterns[1])]
    if bias:
        rows.append(ArrayRow(bias, "bias", patterns[2]))
    return tuple(rows)


def _with_and_without(
    formats: str,
    kind: str,
    gates: str,
    biases: Sequence[tuple[str, str | None, str, bool | None]],
    kernel: tuple[str, str],
    recurrent: tuple[str, str],
    source: str,
    letters: str = "",
) -> list[Layout]:
    return [
        Layout(
            format=formats,
            kind=kind,
            bias=form,
            gates=gates,
            reset_after=reset_after,
            source=source,
            letters=letters,
            arrays=_rows(kernel[0], recurrent[0], name, kernel[1], recurrent[1], pattern),
        )
        for form, name, pattern, reset_after in biases
    ]


def _keras() -> list[Layout]:
    names, source = (
        (("kernel", "i (g h)"), ("recurrent_kernel", "k (g h)")),
        "keras/src/layers/rnn of Keras 3.15, tf_keras 2.21",
    )
    plain = [("single", "bias", "(g h)", None), ("none", None, "", None)]
    gru = [
        ("split", "bias", "p (g h)", True),
        ("single", "bias", "(g h)", False),
        ("none", None, "", True),
        ("none", None, "", False),
    ]
    return [
        *_with_and_without("keras", "lstm", "ifco", plain, *names, source),
        *_with_and_without("keras", "gru", "zrn", gru, *names, source),
        *_with_and_without("keras", "rnn", "n", plain, *names, source),
    ]


def _keras1() -> list[Layout]:
    source = "files of Keras 1.0.0 to 1.2.2; consume_less cpu or mem: arrays by gate; gpu: fused"
    rows: list[Layout] = []
    for kind, gates, letters in (("lstm", "icfo", ""), ("gru", "zrn", "zrh")):
        by_gate = (("W_{g}", "i h"), ("U_{g}", "k h"))
        # Keras 1 lists W, U and b of one gate before the next gate's: packing goes gate by gate.
        rows += _with_and_without("keras1", kind, gates, [("single", "b_{g}", "h", False)], *by_gate, source, letters)
        fused = (("W", "i (g h)"), ("U", "k (g h)"))
        # Fused columns come in today's order, not in that of the arrays by gate.
        rows += _with_and_without("keras1_gpu", kind, GATES[kind], [("single", "b", "(g h)", False)], *fused, source)
    for name in ("keras1", "keras1_gpu"):
        rows += _with_and_without(
            name, "rnn", "n", [("single", "b", "(g h)", None)], ("W", "i (g h)"), ("U", "k (g h)"), source
        )
    return rows


def _cudnn() -> list[Layout]:
    # The kernel's block keeps the shape (input, units) and holds the memory of (units, input).
    source = "CuDNNLSTM and CuDNNGRU files of Keras 2.0.9 to 2.3; measured against the plain layers of the same Keras"
    arrays = (
        ArrayRow("kernel", "kernel", "i (g h)", memory=("g i h", "g h i")),
        ArrayRow("recurrent_kernel", "recurrent", "h (g k)"),
        ArrayRow("bias", "bias", "(p g h)"),
    )
    return [
        Layout(format="cudnn", kind="lstm", bias="split", gates="ifco", arrays=arrays, source=source),
        Layout(format="cudnn", kind="gru", bias="split", gates="zrn", arrays=arrays, source=source, reset_after=True),
    ]


def _torch() -> list[Layout]:
    names, source = (
        (("weight_ih", "(g h) i"), ("weight_hh", "(g h) k")),
        "torch.nn.LSTM, GRU, RNN and their cells, torch 2.13",
    )
    rows: list[Layout] = []
    for kind, gates, reset_after in (("lstm", "ifco", None), ("gru", "rzn", True), ("rnn", "n", None)):
        both = [("split", "bias_{p}", "(g h)", reset_after), ("none", None, "", reset_after)]
        rows += _with_and_without("torch", kind, gates, both, *names, source)
    one = [("single", "bias", "(g h)", None)]
    for kind, gates in (("lstm", "ifco"), ("rnn", "n")):
        rows += _with_and_without(
            "torch_single_bias",
            kind,
            gates,
            one,
            *names,
            source="torch's layout with the biases added up, as equinox and MLX have it",
        )
    return rows


def _onnx() -> list[Layout]:
    names, source = (("W", "1 (g h) i"), ("R", "1 (g h) k")), "ONNX operators LSTM-14, GRU-14, RNN-14"
    rows: list[Layout] = []
    for kind, gates, choices in (("lstm", "iofc", (None,)), ("gru", "zrn", (True, False)), ("rnn", "n", (None,))):
        for reset_after in choices:  # the operator's linear_before_reset
            both = [("split", "B", "1 (p g h)", reset_after), ("none", None, "", reset_after)]
            rows += _with_and_without("onnx", kind, gates, both, *names, source)
    return rows


def _conv() -> list[Layout]:
    source = "ConvLSTM1D, 2D, 3D of Keras 2 and 3; Keras 1: arrays by gate"
    rows: list[Layout] = []
    for space in ("x", "y x", "z y x"):
        fused = (("kernel", f"{space} i (g h)"), ("recurrent_kernel", f"{space} k (g h)"))
        plain = [("single", "bias", "(g h)", None), ("none", None, "", None)]
        rows += _with_and_without("keras", f"conv_lstm{space.count(' ') + 1}", "ifco", plain, *fused, source)
    for name, image, state in (("keras1", "y x i h", "y x k h"), ("keras1_th", "h i y x", "h k y x")):
        by_gate = (("W_{g}", image), ("U_{g}", state))
        rows += _with_and_without(name, "conv_lstm2", "icfo", [("single", "b_{g}", "h", None)], *by_gate, source)
    return rows


def table() -> tuple[Layout, ...]:
    """Every row, made anew."""
    return (*_keras(), *_keras1(), *_cudnn(), *_torch(), *_onnx(), *_conv())


LAYOUTS = table()
