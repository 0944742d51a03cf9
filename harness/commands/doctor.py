"""`lstm-parity doctor`: what is installed, what can be measured here and what not, and what clashes."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from weight_mapping.compiler import compiler

DISTRIBUTION = "lstm-parity"
PACKAGES = ("harness", "weight_mapping", "reports")
"""Our top-level names. `harness` and `reports` are generic, and other distributions on PyPI install them too."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def command(as_json: bool) -> int:
    """Look at this installation. Exit code 1 where another distribution takes one of our names, else 0."""
    from harness import bench

    findings = {
        "python": sys.version.split()[0],
        "installed": dict(requirements()),
        "compiler": found[1] if (found := compiler()) else None,
        "kernel": kernel(),
        "measured": {device: bench.obstacles(device) for device in bench.DEVICES},
        "clashes": clashes(metadata.packages_distributions()),
    }
    click.echo(json.dumps(findings, indent=1) if as_json else "\n".join(_lines(findings)))
    return int(bool(findings["clashes"]))


def requirements() -> Iterator[tuple[str, str | None]]:
    """Every distribution that ours can use, from its own metadata, and the version that is installed."""
    names = (re.match(r"[\w.-]+", line) for line in metadata.requires(DISTRIBUTION) or ())
    for name in dict.fromkeys(found.group() for found in names if found):
        if name != DISTRIBUTION:
            yield name, _version(name)


def kernel() -> dict[str, Any]:
    """Whether the compiled cells run in PyTorch ('runs'), and 'why'; the first time this compiles them."""
    try:
        return importlib.import_module("harness.backends.timing_torch").kernel()
    except ImportError as error:
        return {"runs": False, "why": f"{error.name} is not installed"}


def clashes(providers: Mapping[str, list[str]]) -> dict[str, str]:
    """By our names: what else claims it, and the way out. `providers` as `packages_distributions()` gives them."""
    found: dict[str, str] = {}
    home = Path(__file__).resolve().parents[2]
    for package in PACKAGES:
        others = sorted(set(providers.get(package, ())) - {DISTRIBUTION})
        spec = importlib.util.find_spec(package)
        place = Path(spec.origin).resolve().parents[1] if spec and spec.origin else None
        if others:
            found[package] = (
                f"also installed by {', '.join(others)}; pip uninstall {' '.join(others)}, then install ours again"
            )
        elif place != home:
            found[package] = f"imported from {place}, not from {home}; take the first off the import path"
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _path(kernel: Mapping[str, Any]) -> str:
    return f"{'compiled' if kernel['runs'] else 'step by step in PyTorch'} ({kernel['why']})"


def _lines(findings: Mapping[str, Any]) -> Iterator[str]:
    yield f"Python {findings['python']}, {DISTRIBUTION} {_version(DISTRIBUTION) or 'run from its sources'}"
    yield f"C++ compiler: {findings['compiler'] or 'none'}"
    yield f"Recurrent cells that nn.LSTM can't express: {_path(findings['kernel'])}"
    yield "\nInstalled"
    yield from (f"  {name} {version or '-'}" for name, version in findings["installed"].items())
    for device, obstacles in findings["measured"].items():
        by_reason: dict[str | None, list[str]] = {}
        for name, reason in obstacles.items():
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            yield f"\n{'Not measured' if reason else 'Measured'} on {device}{f' ({reason})' if reason else ''}"
            yield from (f"  {name}" for name in names)
    yield "" if findings["clashes"] else "\nNo clash of names"
    yield from (f"CLASH: {name} is {problem}" for name, problem in findings["clashes"].items())
