"""Two Python objects that disagree: models and layers of Keras, modules of PyTorch, files, or what was read of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import weight_mapping as wm
from harness.diagnosis.likely import of_keras
from harness.diagnosis.models import Place, diagnose_portables
from weight_mapping.errors import Unsupported
from weight_mapping.spec import Input, chain
from weight_mapping.weights import Portable

_KERAS = ("keras", "tf_keras")


def diagnose(reference: Any, suspect: Any) -> tuple[Place, ...]:
    """Where `suspect`, a port of `reference`, differs and how to mend it; empty where they agree.

    Each is a Keras model or recurrent layer (of either Keras), what `weight_mapping.torch.extract` takes, a path of a
    file, or a Portable. Unsupported names the class of anything else."""
    return diagnose_portables(portable(reference), portable(suspect))


def portable(given: Any) -> Portable:
    """What the object computes and its weights."""
    packages = {base.__module__.split(".")[0] for base in type(given).__mro__}
    if isinstance(given, Portable):
        return given
    if isinstance(given, str | Path):
        return wm.load(given)
    for package in _KERAS:
        if package in packages:
            return _of_keras(given, package)
    if "torch" in packages or isinstance(given, dict):
        from weight_mapping.torch import extract

        return extract(given)
    raise Unsupported(f"a {type(given).__name__} is no model", class_name=type(given).__name__)


def _of_keras(model: Any, package: str) -> Portable:
    """A model by the file that it saves; a layer by its configuration and weights."""
    if hasattr(model, "save"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            return wm.load(path)
    known = of_keras(model, package)
    if known is None:
        raise Unsupported(f"the layer {type(model).__name__} is no recurrent one", class_name=type(model).__name__)
    layer, weights = known
    spec = chain("model", Input(name="input"), {model.name: layer})
    return Portable(spec=spec, weights={(model.name, *path): w for path, w in weights.items()})
