"""`lstm-parity explain`: what `units` means, in shapes and counts, for one layer or for every one of a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click

from harness.reading import confined
from harness.results import Results
from weight_mapping.errors import PortingError, printable, shown
from weight_mapping.files.atomic import write_text
from weight_mapping.spec import Kind, Merge

_SIZE = click.IntRange(min=1, max=100_000)


@click.command("explain")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--cell", "kind", type=click.Choice(["lstm", "gru", "rnn", "conv_lstm"]), default="lstm", show_default=True
)
@click.option("--reset-before", is_flag=True, help="A GRU with reset_after=False, as in Keras 1 and in older files.")
@click.option("--bidirectional", "merge", type=click.Choice(["concat", "sum", "mul", "ave", "none"]), help="Both ways.")
@click.option("--units", type=_SIZE, default=3, show_default=True, help="The layer's units, or filters.")
@click.option(
    "--input", "input_size", type=_SIZE, default=5, show_default=True, help="Features of its input, or channels."
)
@click.option("--window", type=click.IntRange(1, 99), help="A ConvLSTM's kernel_size, both ways.  [default: 3]")
@click.option("--image", type=click.IntRange(1, 4096), help="The sides of its images.  [default: 8]")
@click.option("--time", type=_SIZE, default=4, show_default=True, help="Time steps.")
@click.option("--batch", type=_SIZE, default=2, show_default=True, help="Samples.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for explain.html.  [default: parity-report]",
)
@click.option("--trusted", is_flag=True, help=confined.TRUSTED)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout; a page only with -o.")
def command(
    file: Path | None,
    kind: str,
    reset_before: bool,
    merge: Merge | None,
    units: int,
    input_size: int,
    window: int | None,
    image: int | None,
    time: int,
    batch: int,
    output: Path | None,
    trusted: bool,
    as_json: bool,
) -> int:
    """What exactly does LSTM(units=N) configure? Answered with real shapes, counts and a picture.

    With FILE: for every recurrent layer of a saved model. No framework is imported.

    \b
    lstm-parity explain --units 4 --input 3
    lstm-parity explain --cell conv_lstm --units 4 --window 3 --image 8
    lstm-parity explain model.h5 -o explained
    """
    from harness.explain import convolution, recurrent

    if reset_before and kind != "gru":
        raise click.UsageError("--reset-before goes with --cell gru")
    if (window or image) and kind != "conv_lstm":
        raise click.UsageError("--window and --image go with --cell conv_lstm")
    if file is not None and (reset_before or merge or window or image):
        raise click.UsageError("a file says itself how its layers are run")
    if file is not None:
        layers = recurrent.model(confined.load(file, trusted=trusted), batch=batch, time=time)
        if not layers:
            raise PortingError("there is no recurrent layer to explain", where=str(file))
    elif kind == "conv_lstm":
        if merge:
            raise click.UsageError("--bidirectional goes with the other cells")
        conv = convolution.usual(units, input_size, window or 3)
        layers = [convolution.explain(conv, batch=batch, time=time, image=(image,) * 2 if image else ())]
    else:
        cell = recurrent.usual(cast(Kind, kind), units, input_size, reset_after=not reset_before)
        layers = [recurrent.explain(cell, batch=batch, time=time, merge=merge)]
    explanation = {"layers": layers, **({"file": str(file)} if file else {})}
    click.echo(
        json.dumps(explanation, indent=1) if as_json else "\n\n".join("\n".join(terminal(each)) for each in layers)
    )
    if output or not as_json:
        from reports import render

        path = (output or Path("parity-report")) / "explain.html"
        results = Results(
            kind="explain", command=f"lstm-parity {' '.join(sys.argv[1:])}", environment={}, explanation=explanation
        )
        write_text(path, render.page(results))
        click.echo(f"\nThe picture: {printable(path)}" if not as_json else printable(path), err=as_json)
    return 0


def terminal(layer: Mapping[str, Any]) -> Iterator[str]:
    """One layer's explanation as lines."""
    name = f"{shown(layer['name'])}: " if layer["name"] else ""
    yield f"{name}{layer['call']} on {layer['takes']}"
    yield from (f"  {line}" for line in layer["answer"])
    yield "\nWeights"
    yield from _table(
        [(a["name"], _shape(a["shape"]), f"{_shape(a['by_gate'])} a gate", a["meaning"]) for a in layer["arrays"]]
    )
    formula = layer["formula"] if "=" in layer["formula"] else f"{layer['formula']} = {layer['parameters']}"
    yield f"  parameters = {layer['counted']} = {formula}"
    yield "\nGates, in the order of the columns"
    yield from _table(
        [
            (g["letter"], g["name"], f"columns {g['columns'][0]} to {g['columns'][1] - 1}", g["equation"])
            for g in layer["gates"]
        ]
    )
    yield from (f"  {line}" for line in layer["update"])
    yield f"\nThrough time (batch {layer['batch']}, {layer['time']} steps)"
    yield from _table([(t["name"], _shape(t["shape"]), t["meaning"]) for t in layer["steps"]])
    yield "\nWhat comes out"
    yield from _table(
        [(_asked(r), ", ".join(f"{what} {_shape(size)}" for what, size in r["outputs"])) for r in layer["returns"]]
    )
    yield "\nIn PyTorch"
    yield f"  {layer['pytorch']['call']}; {layer['pytorch']['parameters']} numbers. {layer['pytorch']['order']}"
    yield from _table([(a["name"], _shape(a["shape"]), a["source"]) for a in layer["pytorch"]["arrays"]])
    yield f"\nIs it {layer['copies']['units']} copies of a layer of one {unit_of(layer)}?"
    yield from (f"  {line}" for line in copies(layer["copies"], unit_of(layer)))


def unit_of(layer: Mapping[str, Any]) -> str:
    """What one of its units is called."""
    return "filter" if "image" in layer else "unit"


def copies(found: Mapping[str, Any], unit: str) -> Iterator[str]:
    """The measurement in words."""
    n = found["units"]
    if n == 1:
        yield f"With one {unit} it is itself one: there is no other {unit} to depend on."
        return
    yield f"Measured in float64 with {n} {unit}s over {found['steps']} steps, random weights, greatest difference of h:"
    yield f"recurrent_kernel full       {found['full']:.3g}: no, each {unit} depends on the past of all."
    yield f"recurrent_kernel diagonal   {found['diagonal']:.3g}: yes, to rounding, where nothing is off the diagonal."


def _asked(row: Mapping[str, Any]) -> str:
    own = "  <- this layer" if row["own"] else ""
    return f"return_sequences={row['return_sequences']!s:5} return_state={row['return_state']!s:5}{own}"


def _shape(sizes: list[int]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    for row in rows:
        yield "  " + "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]])
