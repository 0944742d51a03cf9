"""`lstm-parity port`: a Keras file into PyTorch (or ONNX, or another Keras file), with its proof."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands import summaries
from harness.porting import targets
from harness.reading import confined
from harness.results import Results
from weight_mapping.errors import printable

if TYPE_CHECKING:
    from harness.porting.request import Request


MODEL_FILES = (".keras", ".h5")
"""What the output is called where one file is wanted."""


@click.command("port")
@click.argument("paths", metavar="FILE_FOLDER_OR_GLOB...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path),
    help="Folder to write; with --to keras also a file, NAME.keras or NAME.h5.",
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Where the configuration of a weights-only file lies.")
@click.option("--to", "target", type=click.Choice(targets.NAMES), default="torch", show_default=True)
@click.option("--keras", type=click.Choice(["2", "3"]), help="With --to keras: the generation to write for.")
@click.option("--layers-only", is_flag=True, help="Only the recurrent layers, whatever stands around them.")
@click.option("--standalone", is_flag=True, help="Also model.py, plain PyTorch, and model_torch.safetensors.")
@click.option("--no-proof", is_flag=True, help="Write without comparing; imports no framework.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the proof's inputs.")
@click.option("--trusted", is_flag=True, help=confined.TRUSTED)
@click.option("--jobs", type=click.IntRange(min=1), help="Of a whole folder: so many processes.  [default: 1]")
@click.option("--scheduler", metavar="ADDRESS", help="Of a whole folder: on the workers of this Dask scheduler.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=300.0, show_default=True,
    help="Of a whole folder: seconds after which a file is given up.",
)  # fmt: skip
@summaries.options
@click.option("--json", "as_json", is_flag=True, help="The proof, or what a folder came to, on stdout as JSON.")
def command(
    paths: tuple[Path, ...], output: Path, config: Path | None, target: str, keras: str | None, layers_only: bool,
    standalone: bool, no_proof: bool, seed: int, trusted: bool, jobs: int | None, scheduler: str | None,
    timeout: float, junit: Path | None, markdown: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Port a file: model.safetensors (or model.onnx, model.keras), spec.json, proof.json and report.html, written
    only once the proof is there. Exit code 1 where the port does not reproduce the oracle.

    Port a folder, a glob pattern or several files: every Keras model in them, told by content, each into a folder of
    its own under the output, with index.html of every file's fate and log.jsonl, from which the same command goes on
    where it was ended. --layers-only then is for those that are refused whole. Exit code: 1 if the proof of any does
    not hold; else 3 if any is damaged, crashed or timed out; else 2 if any is refused.

    \b
    lstm-parity port model.h5 -o ported
    lstm-parity port weights.h5 --config model.json -o ported
    lstm-parity port model.h5 --to keras --keras 3 -o today
    lstm-parity port models/ -o ported --jobs 4
    """
    if keras and target != "keras":
        raise click.UsageError("--keras goes with --to keras")
    if standalone and target != "torch":
        raise click.UsageError("--standalone goes with --to torch")
    if jobs and scheduler:
        raise click.UsageError("--jobs are this machine's; the workers of --scheduler are there already")
    from harness.folder.find import is_one_model
    from harness.porting.port import reproduces
    from harness.porting.request import Request

    request = Request(
        target=target, keras=int(keras) if keras else None, layers_only=layers_only, standalone=standalone,
        proof=not no_proof, seed=seed, trusted=trusted,
    )  # fmt: skip
    written = f"lstm-parity {shlex.join(sys.argv[1:])}"
    if len(paths) == 1 and is_one_model(paths[0]) and not jobs and not scheduler:
        results = _file(paths[0], output, config, request, written, as_json)
        summaries.write(results, junit, markdown)
        return int(bool(results.cases) and not reproduces(results))
    if junit or markdown:
        raise click.UsageError("--junit and --markdown are of one file; a folder has its index.html and its log")
    return _folder(paths, output, config, request, written, as_json, timeout, jobs, scheduler)


def _file(file: Path, output: Path, config: Path | None, request: Request, written: str, as_json: bool) -> Results:
    from harness.porting.port import port_file, proof

    alone = output.suffix in MODEL_FILES and request.target == "keras" and not output.is_dir()
    if alone:
        request = replace(request, suffix=output.suffix.removeprefix("."))
        with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".lstm-parity-") as folder:
            results = port_file(file, config, Path(folder), request, command=written)
            (Path(folder) / targets.file_name(request)).replace(output)
    else:
        results = port_file(file, config, output, request, command=written)
    if as_json:
        click.echo(json.dumps(proof(results), indent=1))
    else:
        _say(results, [output] if alone else [output / targets.file_name(request), output / "report.html"])
    return results


def _folder(
    paths: Sequence[Path], output: Path, config: Path | None, request: Request, written: str, as_json: bool,
    timeout: float, jobs: int | None, scheduler: str | None,
) -> int:  # fmt: skip
    from harness.folder import cluster, local
    from harness.folder.batch import port_all
    from harness.folder.task import spelled

    def say(text: str) -> None:
        click.echo(spelled(text), err=True)

    workers = cluster.workers(scheduler, say) if scheduler else local.workers(jobs or 1)
    batch = port_all(paths, output, request, config=config, timeout=timeout, workers=workers, command=written, say=say)
    told = {"found": batch.found, "interrupted": batch.interrupted, **asdict(batch.summary)}
    if as_json:
        click.echo(json.dumps({**told, "page": str(batch.page), "log": str(batch.log)}, indent=1))
    else:
        for what, files in batch.summary.held_up.items():
            click.echo(f"  held up by {what}: {files:,} {'file' if files == 1 else 'files'}")
        click.echo(printable(batch.page))
        click.echo(f"{batch.summary.files:,} files: {batch.summary.sentence}")
    if batch.interrupted:
        click.echo(
            f"ended early: {batch.summary.files:,} of {batch.found:,} are done; the same command goes on", err=True
        )
        return 130
    return batch.summary.exit_code


def _say(results: Results, written: Sequence[Path]) -> None:
    told = results.port
    for row in told["layers"]:
        click.echo(printable(f"  {row['name']}: {row['class']}" + (f" -> {row['module']}" if row["module"] else "")))
    for line in (*told["resolved"], *told["warnings"]):
        click.echo(printable(f"  note: {line}"))
    for case in results.cases:
        for a in case.agreements:
            click.echo(f"  {a.check}: {a.verdict}, error {a.error:.2g} of {a.bound:.2g} {a.unit}")
    for what, why in results.not_measured.items():
        if what != "speed":
            click.echo(printable(f"  {what}: not measured, {why}"))
    for path in written:
        click.echo(printable(path))
    click.echo(f"{results.verdict if results.cases else 'not measured'}: {told['parameters']:,} parameters ported")
