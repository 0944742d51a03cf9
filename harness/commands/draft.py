"""`lstm-parity draft`: the configuration that a file of weights leaves out. No framework is imported."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.reading import confined
from weight_mapping.drafting.open_choices import OPEN, questions
from weight_mapping.errors import PortingError, printable
from weight_mapping.files.atomic import write_text


@click.command("draft")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The JSON file to write."
)  # fmt: skip
@click.option("--trusted", is_flag=True, help=confined.TRUSTED)
@click.option("--json", "as_json", is_flag=True, help="The open choices as JSON.")
def command(weights: Path, output: Path, trusted: bool, as_json: bool) -> int:
    """Write the configuration of WEIGHTS as far as names and shapes tell it, a chain of layers, with every choice that
    they can't tell marked as open.

    \b
    lstm-parity draft weights.h5 -o config.json
    (edit config.json: a value in place of each text that begins with OPEN)
    lstm-parity port weights.h5 --config config.json -o ported
    """
    if output.exists():
        raise PortingError("a file that may have been edited stands there", where=str(output), way_out="Name another.")
    config = confined.draft(weights, trusted=trusted)
    write_text(output, json.dumps(config, indent=1) + "\n")
    asked = [{"place": place, "likely": likely} for place, likely in questions(config)]
    if as_json:
        click.echo(json.dumps({"config": str(output), "open": asked}, indent=1))
        return 0
    for layer in config["config"]["layers"]:
        click.echo(printable(f"  {layer['config']['name']}: {layer['class_name']}"))
    for one in asked:
        click.echo(printable(f"  open: {one['place']}: {one['likely']}?"))
    click.echo(f"{output}: {len(asked)} choices are open; write the value in place of each {OPEN.strip()}")
    return 0
