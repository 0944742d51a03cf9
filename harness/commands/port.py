"""`lstm-parity port`: a Keras file into PyTorch (or ONNX, or another Keras file), with its proof."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from harness import confined
from harness.results import HOLDS, Results
from weight_mapping.errors import printable


@click.command("port")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write."
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Where the configuration of a weights-only file lies.")
@click.option("--to", "target", type=click.Choice(["torch", "keras", "onnx"]), default="torch", show_default=True)
@click.option("--keras", type=click.Choice(["2", "3"]), help="With --to keras: the generation to write for.")
@click.option("--layers-only", is_flag=True, help="Only the recurrent layers, whatever stands around them.")
@click.option("--standalone", is_flag=True, help="Also model.py, plain PyTorch, and model_torch.safetensors.")
@click.option("--no-proof", is_flag=True, help="Write without comparing; imports no framework.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the proof's inputs.")
@click.option("--trusted", is_flag=True, help=confined.TRUSTED)
@click.option("--json", "as_json", is_flag=True, help="The proof on stdout as JSON.")
def command(
    file: Path, output: Path, config: Path | None, target: str, keras: str | None, layers_only: bool,
    standalone: bool, no_proof: bool, seed: int, trusted: bool, as_json: bool,
) -> int:  # fmt: skip
    """Port FILE: model.safetensors (or model.onnx, model.keras), spec.json, proof.json and report.html, written only
    once the proof is there. Exit code 1 where the port does not reproduce the oracle."""
    if keras and target != "keras":
        raise click.UsageError("--keras goes with --to keras")
    if standalone and target != "torch":
        raise click.UsageError("--standalone goes with --to torch")
    from harness.porting import Request, port_file, proof

    request = Request(
        target=target, keras=int(keras) if keras else None, layers_only=layers_only, standalone=standalone,
        proof=not no_proof, seed=seed, trusted=trusted,
    )  # fmt: skip
    results = port_file(file, config, output, request, command=f"lstm-parity {shlex.join(sys.argv[1:])}")
    if as_json:
        click.echo(json.dumps(proof(results), indent=1))
    else:
        _say(results, output, request.model)
    return int(bool(results.cases) and results.cases[0].verdict != HOLDS)


def _say(results: Results, output: Path, name: str) -> None:
    told = results.port
    for row in told["layers"]:
        click.echo(printable(f"  {row['name']}: {row['class']}" + (f" -> {row['module']}" if row["module"] else "")))
    for line in (*told["resolved"], *told["warnings"]):
        click.echo(printable(f"  note: {line}"))
    for case in results.cases:
        for a in case.agreements:
            click.echo(f"  {a.check}: {a.verdict}, error {a.error:.2g} of {a.bound:.2g} {a.unit}")
    click.echo(str(output / name))
    click.echo(str(output / "report.html"))
    click.echo(f"{results.verdict if results.cases else 'not measured'}: {told['parameters']:,} parameters ported")
