"""Four models that their makers ported to PyTorch by hand, ported by one command, and the two compared bit for bit.

    python docs/medaka.py [FOLDER]

medaka 1.12.1 shipped its bidirectional GRUs as TensorFlow SavedModels; medaka 2.0.1 has the same models as weights of
PyTorch. Both packages are fetched through pip into FOLDER (28 MB, `medaka` unless named), unpacked and never installed.
Exit code 0 if every number is the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import weight_mapping.torch as wt

RELEASES = {"keras": ("medaka==1.12.1", "3.10"), "torch": ("medaka==2.0.1", "3.11")}


def fetched(folder: Path, requirement: str, python: str) -> Path:
    """The models of a release of medaka, unpacked: a folder each."""
    wheels, models = folder / "wheel", folder / "models"
    wanted = ["--no-deps", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--python-version", python]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", *wanted, "-d", wheels, requirement], check=True)
    with zipfile.ZipFile(next(wheels.glob("medaka-*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith("medaka/data/") and name.endswith(".tar.gz"):
                with wheel.open(name) as member, tarfile.open(fileobj=member, mode="r:gz") as archive:
                    archive.extractall(models / model_name(Path(name).name), filter="data")
    return models


def model_name(archive: str) -> str:
    """The model's name without what says in which framework it is."""
    return archive.removesuffix(".tar.gz").removesuffix("_pt").removesuffix("_model")


def by_hand(weights: Path) -> dict[str, torch.Tensor]:
    """The numbers that medaka's makers published for PyTorch."""
    state: dict[str, torch.Tensor] = torch.load(weights, weights_only=True)
    return state


def like(state: dict[str, torch.Tensor]) -> nn.Module:
    """medaka's own module: two bidirectional GRUs over each other and a Dense, of the sizes that its weights have."""
    features, units = state["gru.weight_ih_l0"].shape[1], state["gru.weight_hh_l0"].shape[1]
    gru = nn.GRU(features, units, num_layers=2, bidirectional=True, batch_first=True)
    return nn.ModuleDict({"gru": gru, "linear": nn.Linear(2 * units, len(state["linear.bias"]))})


def differing(ported: nn.Module, published: dict[str, torch.Tensor]) -> int:
    """How many of the numbers have other bits."""
    own = ported.state_dict()
    assert own.keys() == published.keys()
    return sum(int((own[name].view(torch.int32) != published[name].view(torch.int32)).sum()) for name in own)


def main(folder: Path) -> int:
    keras, published = (fetched(folder / name, *release) for name, release in RELEASES.items())
    ported = folder / "ported"
    command = Path(sys.executable).with_name("lstm-parity")
    subprocess.run([command, "port", keras, "-o", ported, "--jobs", "2"], check=False)
    table = Table(title="Other bits than in the port by hand")
    for heading in ("model", "proof", "numbers", "other"):
        table.add_column(heading, overflow="fold")
    found = []
    for line in (ported / "log.jsonl").read_text().splitlines():
        row = json.loads(line)
        name = Path(row["path"]).parent.name
        state = by_hand(published / name / "model" / "weights.pt")
        module = like(state)
        wt.fill(module, ported / row["folder"] / "model.safetensors")
        found.append(differing(module, state))
        table.add_row(name, row["verdict"], str(sum(t.numel() for t in state.values())), str(found[-1]))
    Console().print(table)
    return int(sum(found) > 0 or len(found) != 4)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "medaka")))
