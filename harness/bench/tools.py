"""The program's own speed: its commands in fresh processes, rounds of them interleaved; packing beside a plain copy; a
whole folder; a sweep."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from harness.bench import fresh, stopwatch
from harness.bench.following import Step
from harness.bench.goals import figure
from harness.bench.intervals import Interval, across, paired_ratio
from harness.bench.speed import Figure
from weight_mapping import save
from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import PortingError, shown
from weight_mapping.packing import pack, unpack
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

ROUNDS = 5
PROCESSES = 3
FILES = 60
_CASES = 200
_US = "from harness.cli import main; main()"
_LOAD = "import sys, keras; keras.models.load_model(sys.argv[1])"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "help": (_US, "--help"),
    "inspect": (_US, "inspect", "{file}"),
    "import": ("import weight_mapping",),
    "torch": ("import torch",),
    "port": (_US, "port", "{file}", "-o", "{new}"),
    "port --no-proof": (_US, "port", "{file}", "-o", "{new}", "--no-proof"),
    "load_model": (_LOAD, "{file}"),
}
"""Each as what `python -c` is given. `{file}` holds 1 MB; `{new}` is not there yet."""
Spent = dict[str, list[float]]
_KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2000000000"}
"""Has glibc keep what is freed, so that every round finds its memory warm. Fresh pages of 100 MB, which the system
clears, took from 3 to 500 ms: all that one would see of a copy, or of what is set against it."""


def steps(found: list[Figure], failed: dict[str, str], environment: Mapping[str, str]) -> list[Step]:
    """The way through, which fills `found`; what could not be measured goes to `failed`, with the reason."""
    variables = {**os.environ, **environment}
    return [
        Step(
            title="commands", parts=[f"round {n + 1} of {ROUNDS}" for n in range(ROUNDS)],
            work=lambda: _commands(found, failed, variables), ready=1, each=13,
        ),
        Step(
            title="packing", parts=[f"process {n + 1} of {PROCESSES}" for n in range(PROCESSES)],
            work=lambda: _packing(found, failed, environment), ready=0, each=5,
        ),
        Step(
            title="folders", parts=[f"{FILES} files, {n} at a time" for n in (1, 2)],
            work=lambda: _folders(found, failed, variables), ready=2, each=10,
        ),
        Step(
            title="sweep", parts=[f"{_CASES} random cases"], work=lambda: _sweep(found, failed, variables), ready=0,
            each=30,
        ),
    ]  # fmt: skip


def _commands(found: list[Figure], failed: dict[str, str], environment: Mapping[str, str]) -> Iterator[None]:
    spent: Spent = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="lstm-parity-") as folder:
        file, new = Path(folder) / "model.keras", Path(folder) / "ported"
        save(model(0), file, keras=3)
        yield
        for _ in range(ROUNDS):
            for name, words in COMMANDS.items():
                if name not in failed:
                    shutil.rmtree(new, ignore_errors=True)
                    argv = [word.format(file=file, new=new) for word in words]
                    _timed(name, [sys.executable, "-P", "-c", *argv], environment, spent, failed)
            yield
    found += command_figures({name: seconds for name, seconds in spent.items() if seconds and name not in failed})


def command_figures(spent: Mapping[str, list[float]]) -> list[Figure]:
    """Of seconds by command, as many each as there were rounds."""

    def seconds(name: str) -> Interval | None:
        return across(spent[name]) if len(spent.get(name, ())) > 1 else None

    def times(one: str, two: str) -> Interval | None:
        """How many times as long `one` takes, round by round."""
        if not (spent.get(one) and len(spent[one]) == len(spent.get(two, ())) > 1):
            return None
        return across([a / b for a, b in zip(spent[one], spent[two], strict=True)])

    def beside(one: str, two: str) -> Interval | None:
        """How many seconds longer, which may be less than none."""
        if (ratio := times(one, two)) is None:
            return None
        low, middle, high = ((r - 1) * median(spent[two]) for r in (ratio.low, ratio.median, ratio.high))
        return replace(ratio, low=low, median=middle, high=high)

    said = {name: f"{median(values):.2f} s" for name, values in spent.items()}
    return [
        figure("help", seconds("help")),
        figure("inspect", seconds("inspect")),
        figure("import", seconds("import")),
        figure("port", beside("port", "torch"),
               f"{said.get('port', '–')} with its proof, {said.get('torch', '–')} of it importing torch"),
        figure("port --no-proof", times("load_model", "port --no-proof"),
               f"{said.get('port --no-proof', '–')} against {said.get('load_model', '–')}"),
    ]  # fmt: skip


def _packing(found: list[Figure], failed: dict[str, str], environment: Mapping[str, str]) -> Iterator[None]:
    told: list[Spent] = []
    yield
    try:
        for _ in range(PROCESSES):
            told += fresh.call("harness.bench.tools:time_packing", {**environment, **_KEPT})
            yield
    except PortingError as error:
        failed["packing"] = str(error)
        return
    spent = {name: [s for one in told for s in one[name]] for name in told[0]}
    rounds, note = [len(one["copy"]) for one in told], f"a copy takes {median(spent['copy']) * 1e3:.0f} ms"
    found += [figure(name, paired_ratio(spent["copy"], spent[name], rounds), note) for name in spent if name != "copy"]


def time_packing(units: int = 1800, inputs: int = 1700, rounds: int = 15) -> Iterator[Spent]:
    """Seconds for a plain copy of a layer's arrays; to unpack them from Keras' form; to pack them into PyTorch's, and
    from there back into Keras': what a fresh process is asked for."""
    keras = [np.ones(sizes, np.float32) for sizes in ((inputs, 4 * units), (units, 4 * units), (4 * units,))]
    cell = unpack("keras", "lstm", keras)
    there = unpack("torch", "lstm", pack("torch", cell))
    runs: dict[str, Callable[[], object]] = {
        "copy": lambda: [a.copy() for a in keras],
        "unpack": lambda: unpack("keras", "lstm", keras),
        "pack": lambda: pack("torch", cell),
        "back": lambda: pack("keras", there),
    }
    spent = stopwatch.interleave(list(runs.values()), rounds=rounds, seconds=5.0)
    yield {name: list(seconds) for name, seconds in zip(runs, spent, strict=True)}


def _folders(found: list[Figure], failed: dict[str, str], environment: Mapping[str, str]) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="lstm-parity-") as folder:
        models = Path(folder) / "models"
        models.mkdir()
        for n in range(FILES):
            save(model(n), models / f"model{n}.keras", keras=3)
        yield
        for jobs in (1, 2):
            output, spent = Path(folder) / f"ported{jobs}", Spent({"folder": []})
            argv = [sys.executable, "-P", "-c", _US, "port", str(models), "-o", str(output), "--jobs", str(jobs)]
            if _timed("folder", argv, environment, spent, failed):
                lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
                found += folder_figures(jobs, spent["folder"][0], lines)
            yield


def folder_figures(jobs: int, seconds: float, lines: list[dict[str, Any]]) -> list[Figure]:
    """Of a folder's log. Memory is flat where the processes' greatest memory over the last third of the files is that
    over the second third; in the first they import what they need."""
    ported = [line for line in lines if line["fate"] == "ported"]
    rate, third = len(ported) / seconds / jobs, len(ported) // 3
    peaks = [line["peak_mib"] for line in ported if line["peak_mib"]]
    note = f"{len(ported)} of {len(lines)} files in {seconds:.1f} s, start-up included"
    figures = [figure(f"folder, {jobs} at a time", _point(rate), note)]
    if jobs == 1 and len(peaks) == len(ported) >= 3:
        grown = max(peaks[2 * third :]) / max(peaks[third : 2 * third])
        figures.append(figure("folder's memory", _point(grown), f"at most {max(peaks):.0f} MiB"))
    return figures


def _sweep(found: list[Figure], failed: dict[str, str], environment: Mapping[str, str]) -> Iterator[None]:
    yield
    with tempfile.TemporaryDirectory(prefix="lstm-parity-") as folder:
        asked = ("verify", "--sweep", str(_CASES), "--backend", "torch module", "-o", folder)
        argv = [sys.executable, "-P", "-c", _US, *asked]
        if _timed("sweep", argv, environment, Spent({"sweep": []}), failed):
            told = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))["sweep"]
            found.append(
                figure("sweep", _point(told["per second and core"]), f"{told['asked']} cases, start-up included")
            )
    yield


def _point(value: float) -> Interval:
    """One measurement, which tells no spread."""
    return Interval(low=value, median=value, high=value, coverage=0.0)


def _timed(
    name: str, argv: list[str], environment: Mapping[str, str], spent: Spent, failed: dict[str, str]
) -> bool:  # fmt: skip
    """Whether it ended well; its seconds are then in `spent`, else what it said in `failed`."""
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        )
        stack.callback(process.kill)
        start = perf_counter()
        _, said = process.communicate()
        seconds = perf_counter() - start
    if process.returncode:
        failed[name] = shown(f"exit code {process.returncode}: {said.decode(errors='replace').strip()[-300:]}")
        return False
    spent[name].append(seconds)
    return True


def model(seed: int, units: int = 192, inputs: int = 128) -> Portable:
    """One LSTM with Keras 3's hard_sigmoid and random weights, 1 MB of them: what nn.LSTM can't express."""
    rng = np.random.default_rng(seed)
    cell = Cell(kind="lstm", units=units, input_size=inputs, recurrent_activation=hard_sigmoid(1 / 6))
    kernel, recurrent, bias = (
        rng.uniform(-0.07, 0.07, sizes).astype(np.float32)
        for sizes in ((4, units, inputs), (4, units, units), (1, 4, units))
    )
    spec = chain("timed", Input(name="x", shape=(None, None, inputs)), {"lstm": Recurrent(cells=(cell,))})
    weights = CellWeights(kind="lstm", kernel=kernel, recurrent=recurrent, bias=bias)
    return Portable(spec=spec, weights={("lstm", "0"): weights})
