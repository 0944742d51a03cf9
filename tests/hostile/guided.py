"""The readers under atheris: mutations guided by what they reach. Each target begins from seeds that the tests' own
builders make, and fails if too few of its inputs get past the header.

    python tests/hostile/guided.py TARGET [--seconds N] [--corpus FOLDER]

It stops at the first crash, as libFuzzer does, and leaves the input beside the corpus; else it prints one line of JSON.
Sources: github.com/google/atheris; llvm.org/docs/LibFuzzer.html.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import atheris
import click
import numpy as np

with atheris.instrument_imports(include=["weight_mapping", "pyfive"]):
    import fuzz

    from weight_mapping.errors import PortingError
    from weight_mapping.files import open_archive, strict_json
    from weight_mapping.keras_config import parse

SEEDS = 40
LEAST = 0.05
"""Of the inputs, those that must get past the header."""


TRIED, PAST, ACCEPTED = range(3)
"""Places of the counts: of inputs, of those past the header, and of those that were accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guided:
    """`base`: the seeded target whose file, neighbours and damage are the seeds. `header`: what succeeds once an input
    is past its header."""

    base: str
    header: Callable[[Path], Any] = open_archive


def _configuration(path: Path) -> Any:
    """A configuration alone: is it JSON of an object?"""
    return strict_json.parse_object(path.read_bytes(), path.name)


TARGETS: Mapping[str, Guided] = {
    "configuration": Guided(base="tfjs", header=_configuration),
    "h5": Guided(base="h5 model"),
    "h5 weights": Guided(base="h5 weights v3"),
    "keras zip": Guided(base="keras zip"),
    "safetensors": Guided(base="spec"),
    "pt": Guided(base="pt"),
    "checkpoint": Guided(base="checkpoint"),
    "report": Guided(base="results", header=_configuration),
}


def _load_configuration(path: Path) -> Any:
    model = _configuration(path)
    found = model.get("modelTopology")
    config = found.get("model_config") if isinstance(found, dict) else None
    return parse(config if isinstance(config, dict) else model, None, None)


def _try(
    data: bytes, path: Path, loaded: Path, header: Callable[[Path], Any], load: Callable[[Path], Any], counts: Any
) -> None:
    """One input. Whatever is no error of this project's own is a finding."""
    path.write_bytes(data)
    counts[TRIED] += 1
    try:
        header(loaded)
        counts[PAST] += 1
        fuzz._check(load(loaded))
        counts[ACCEPTED] += 1
    except PortingError as error:
        assert len(str(error)) < 5000


def _mutated(mutate: fuzz.Mutate, raw: bytes, data: bytes, size: int, seed: int) -> bytes:
    """By libFuzzer, or by the seeded target, which knows where checksums lie; of this input, or of the sound file."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        return bytes(atheris.Mutate(data, size))
    try:
        return mutate(rng, data if rng.random() < 0.3 else raw)[:size]
    except Exception:  # the input is no archive any more
        return mutate(rng, raw)[:size]


@click.command()
@click.argument("name", metavar="TARGET", type=click.Choice(list(TARGETS)))
@click.option("--seconds", default=60, show_default=True)
@click.option("--corpus", type=click.Path(path_type=Path), help="Kept between runs; else the seeds alone.")
def main(name: str, seconds: int, corpus: Path | None) -> None:
    """Run one target for so long."""
    target = TARGETS[name]
    base = fuzz.TARGETS[target.base]
    load = _load_configuration if name == "configuration" else base.load
    counts = np.frombuffer(mmap.mmap(-1, 24), np.int64)  # shared: libFuzzer ends its process without a word to Python
    with tempfile.TemporaryDirectory() as folder:
        path, loaded = base.write(Path(folder))
        seeds = corpus or Path(folder) / "corpus"
        seeds.mkdir(parents=True, exist_ok=True)
        raw, rng = path.read_bytes(), np.random.default_rng(0)
        for n, data in enumerate([raw, *(base.mutate(rng, raw) for _ in range(SEEDS))]):
            (seeds / f"seed{n}").write_bytes(data)
        child = os.fork()
        if child == 0:
            options = [f"-max_total_time={seconds}", f"-timeout={int(fuzz.SECONDS * 4)}", "-rss_limit_mb=3000",
                       f"-max_len={4 * len(raw)}", f"-artifact_prefix={seeds.absolute()}.", "-verbosity=0"]  # fmt: skip
            given = (path, loaded, target.header, load, counts)
            atheris.Setup(
                [sys.argv[0], *options, str(seeds)], lambda data: _try(data, *given),
                custom_mutator=partial(_mutated, base.mutate, raw),
            )  # fmt: skip
            atheris.Fuzz()
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    tried, past, accepted = map(int, counts)
    enough = past >= LEAST * tried
    told = {"target": name, "tried": tried, "past the header": past, "accepted": accepted, "seconds": seconds}
    click.echo(json.dumps({**told, "findings": int(code != 0), "enough past the header": enough}))
    sys.exit(code or int(not enough))


if __name__ == "__main__":
    main()
