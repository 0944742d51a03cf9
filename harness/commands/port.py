"""`lstm-parity port`: a Keras file into PyTorch (or into another Keras file), with its proof."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness import environment
from harness.results import HOLDS, Case, Results, to_json, write_text
from weight_mapping.errors import PortingError, printable


@click.command("port")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write."
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Where the configuration of a weights-only file lies.")
@click.option("--to", "target", type=click.Choice(["torch", "keras"]), default="torch", show_default=True)
@click.option("--keras", type=click.Choice(["2", "3"]), help="With --to keras: the generation to write for.")
@click.option("--layers-only", is_flag=True, help="Only the recurrent layers, whatever stands around them.")
@click.option("--standalone", is_flag=True, help="Also model.py, plain PyTorch, and model_torch.safetensors.")
@click.option("--no-proof", is_flag=True, help="Write without comparing; imports no framework.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the proof's inputs.")
@click.option("--json", "as_json", is_flag=True, help="The proof on stdout as JSON.")
def command(
    file: Path, output: Path, config: Path | None, target: str, keras: str | None, layers_only: bool,
    standalone: bool, no_proof: bool, seed: int, as_json: bool,
) -> int:  # fmt: skip
    """Port FILE: model.safetensors (or model.keras), spec.json, proof.json and report.html, written only once the
    proof is there. Exit code 1 where the port does not reproduce the oracle."""
    if keras and target != "keras":
        raise click.UsageError("--keras goes with --to keras")
    if standalone and target != "torch":
        raise click.UsageError("--standalone goes with --to torch")
    import weight_mapping as wm

    portable = wm.load(file, config, layers_only=layers_only)
    _refuse_custom(portable)
    written = f"lstm-parity {shlex.join(sys.argv[1:])}"
    name = "model.safetensors" if target == "torch" else "model.keras"
    case, modules = (None, {}) if no_proof else _proof(portable, target, keras, standalone, seed, written)
    results = _results(portable, case, modules, written)
    texts = _texts(results, portable)
    output.mkdir(parents=True, exist_ok=True)
    wm.save(portable, output / name, keras=int(keras) if keras else None, proof=not no_proof)
    if standalone:
        _standalone().save_standalone(portable, output)
    for file_name, text in texts.items():
        write_text(output / file_name, text)
    if as_json:
        click.echo(json.dumps(proof(results), indent=1))
    else:
        _say(results, output, name)
    return int(case is not None and case.verdict != HOLDS)


def _refuse_custom(portable: Any) -> None:
    from weight_mapping.errors import Unsupported, shown
    from weight_mapping.spec import Custom, leaves

    for path, leaf in leaves(portable.spec):
        if isinstance(leaf, Custom):
            raise Unsupported(
                f"{shown(leaf.class_name)} is not one of Keras' layers, its author's code is not in the file",
                where=shown("/".join(path)), class_name=leaf.class_name,
                way_out="--layers-only ports the recurrent layers around it; in Python, "
                f"weight_mapping.torch.build(portable, custom={{{shown(leaf.class_name)!r}: module}}) takes yours.",
            )  # fmt: skip


def _standalone() -> Any:
    try:
        import weight_mapping.torch.standalone as standalone
    except ModuleNotFoundError as missing:
        raise _needed("--standalone", missing) from None
    return standalone


def _needed(what: str, missing: ModuleNotFoundError, extra: str = "torch") -> PortingError:
    return PortingError(f"{what} needs {missing.name}", way_out=f"Install it: pip install 'lstm-parity[{extra}]'.")


def _proof(
    portable: Any, target: str, keras: str | None, standalone: bool, seed: int, written: str
) -> tuple[Case, dict[str, str]]:
    from harness import port

    if target == "keras":
        from weight_mapping.slopes import slopes

        # Scaled weights are rounded to float32 once more, so only float32's bound can hold.
        scaled = keras is not None and slopes(portable) - {1 / 6 if keras == "3" else 1 / 5}
        dtypes = ("float32",) if scaled else ("float64", "float32")
        backend = "the file read again"
        return port.prove(portable, _read_again(keras), seed=seed, command=written, backend=backend, dtypes=dtypes), {}
    try:
        from harness.backends import ported
    except ModuleNotFoundError as missing:
        raise PortingError(
            f"the proof needs {missing.name}",
            way_out="Install it (pip install 'lstm-parity[torch]') or pass --no-proof.",
        ) from None
    beside = []
    if standalone:
        from harness.backends.standalone import outputs

        beside.append(port.Way(check="outputs of model.py", backend="PyTorch alone", outputs=outputs()))
    case = port.prove(portable, ported.outputs, seed=seed, command=written, beside=beside)
    return case, ported.destinations(portable)[0]


def _read_again(keras: str | None) -> Any:
    """The oracle on the file as written, in place of a framework: what the file means is what is compared."""

    def outputs(portable: Any, inputs: Any, dtype: str) -> Any:
        import tempfile

        import numpy as np

        import weight_mapping as wm

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            wm.save(portable, path, keras=int(keras) if keras else None)
            answer = wm.oracle.run(wm.load(path), *inputs)
        return [np.asarray(y, dtype) for y in (answer if isinstance(answer, tuple) else [answer])]

    return outputs


def _results(portable: Any, case: Case | None, modules: dict[str, str], written: str) -> Results:
    from harness import port

    told = port.described(portable, modules)
    told["proof"] = {
        a.check: f"{a.verdict}: error {a.error:.3g}, bound {a.bound:.3g} {a.unit}; {a.reason}"
        for a in (case.agreements if case else ())
    }
    left_out = {} if case else {"proof": "--no-proof was given"}
    left_out["speed"] = "a port is not timed; see lstm-parity bench"
    return Results(
        kind="port", command=written, environment=environment.describe(), cases=(case,) if case else (),
        planned=("port",) if case else (), port=told, not_measured=left_out,
    )  # fmt: skip


def proof(results: Results) -> dict[str, Any]:
    """proof.json: the file's and every array's SHA-256, and each comparison with its bound."""
    told = results.port
    return {
        "schema": results.schema, "command": results.command, "environment": dict(results.environment),
        "file": {key: told[key] for key in ("file", "sha256", "container", "keras_version", "backend")},
        "arrays": {row["array"]: row["sha256"] for row in told["weights"]},
        "resolved": told["resolved"], "warnings": told["warnings"],
        "checks": [asdict(a) for case in results.cases for a in case.agreements],
        "verdict": results.verdict if results.cases else "not measured",
    }  # fmt: skip


def _texts(results: Results, portable: Any) -> dict[str, str]:
    """Every text file of a port, made before the first one is written."""
    from reports import render
    from weight_mapping.exchange import to_json as spec_json

    return {
        "spec.json": spec_json(portable),
        "proof.json": json.dumps(proof(results), indent=1),
        "results.json": to_json(results),
        "report.html": render.page(results),
    }


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
