"""Names out of a file are text: none of them becomes code, a string or a second line of the file that is written."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from portables import CELLS, layer_weights, plain_weights
from whole_models import at

import weight_mapping as wm
from harness.cli import main
from harness.porting.proving import prove
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.plain import plain
from weight_mapping.probe import probe
from weight_mapping.spec import Bidirectional, Input, Layer, Recurrent, chain
from weight_mapping.torch.standalone import names, save_standalone, standalone, writer
from weight_mapping.weights import Portable, Source

CANARY = "__import__('os').mkdir('canary')"
HOSTILE = [
    "'", '"', '"""', "'''", "\\", "\\'", '\\"""', "a\nb", "\r", f"\n{CANARY}\n", f"\r{CANARY}", f"\x0c{CANARY}",
    f"\u2028{CANARY}\u2029", f"\x85{CANARY}", CANARY, f"x'); {CANARY} #", f'x"""\n{CANARY}\n"""', f"{{{CANARY}}}",
    "\x1b[2J", "\u202etxt", "\u200f", "\x00", "\ud800", "# comment", "%s{0}", "..", "../../x", "C:\\x", "/",
    "x" * 10_000, "class", "None", "match", "_",
    "__init__", "__class__", "self", "torch", "nn", "load", "Model", "Tensor",
    "forward", "dtype", "_dtype", "training", "state_dict", "weights", "print", "1", "", " ",
    "lѕtm", "ｌｓｔｍ", "ﬁ", "é",
    "hard_sigmoid", "LSTMCell", "Recurrent", "functional", "edges", "Path", "Any", "range", "x",
]  # fmt: skip
PLAIN_NAMES = ("first", "second", "third", "fourth")


def model(named: Sequence[str], *, text: str = "told") -> Portable:
    """A model of four layers, some of PyTorch's own and some not; `text` stands wherever a file can put words."""
    lstm = Recurrent(cells=(replace(CELLS["lstm"], recurrent_activation=hard_sigmoid(1 / 5)),), return_sequences=True)
    gru = Recurrent(cells=(CELLS["gru"],), return_sequences=True)
    both = Bidirectional(forward=gru, backward=replace(gru, go_backwards=True))
    prelu, dense = plain("prelu", shared_axes=(1,)), plain("dense", units=3, activation=activation("elu"))
    layers: dict[str, Layer] = dict(zip(named, (lstm, both, prelu, dense), strict=True))
    a, b, c, d = named
    weights = {
        **at((a,), dict(layer_weights(lstm, 4))), **at((b,), dict(layer_weights(both, 5))),
        (c,): {"alpha": np.full((1, 10), 0.3)}, (d,): plain_weights(dense, {"i": 10}),
    }  # fmt: skip
    source = Source(container=text, path=text, sha256=text, keras_version=text, backend=text, resolved=(text,))
    spec = chain(text, Input(name=f"{text} in", shape=(None, None, 4)), layers)
    return Portable(spec=spec, weights=weights, source=source)


def hostile(name: str) -> Portable:
    return model((name, f"{name} ", f"{name}\t", f"{name}_"), text=name)


def skeleton(text: str) -> str:
    """The syntax tree without the names of locals, arguments and attributes, which may differ; every constant stays."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for part in ("id", "attr", "arg", "name", "asname"):
            if isinstance(getattr(node, part, None), str):
                setattr(node, part, "n")
    return ast.dump(tree)


def identifiers(text: str) -> set[str]:
    parts = (getattr(n, part, None) for n in ast.walk(ast.parse(text)) for part in ("id", "attr", "arg", "name"))
    return {part for part in parts if isinstance(part, str)}


def is_only_text(text: str) -> bool:
    """Whether the file says what that of the same model with plain names says, in one alphabet."""
    plain_text = standalone(model(PLAIN_NAMES)).text
    one_alphabet = text.isascii() and all(line.isprintable() for line in text.split("\n"))
    same = skeleton(text) == skeleton(plain_text) and text.count("\n") == plain_text.count("\n")
    dunders = {name for name in identifiers(text) if name.startswith("__")}
    return one_alphabet and same and dunders == {n for n in identifiers(plain_text) if n.startswith("__")}


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:30]))
def test_a_name_changes_nothing_but_identifiers(name: str) -> None:
    assert is_only_text(standalone(hostile(name)).text)


def test_the_file_runs_whatever_the_names_and_starts_nothing(tmp_path: Path) -> None:
    """One process for all; whatever were run would make the canary in its folder."""
    for n, name in enumerate(HOSTILE):
        (tmp_path / f"{n:03}").mkdir()
        save_standalone(hostile(name), tmp_path / f"{n:03}")
    portable = hostile(HOSTILE[0])
    (x,) = probe(portable.spec)
    np.save(tmp_path / "x.npy", x.astype(np.float64))
    code = (
        "import importlib.util, pathlib, numpy, torch\n"
        "x = torch.from_numpy(numpy.load('x.npy'))\n"
        "found = []\n"
        "for path in sorted(pathlib.Path().glob('*/model.py')):\n"
        "    spec = importlib.util.spec_from_file_location('m' + path.parent.name, path)\n"
        "    module = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        "    found.append(module.load()(x).detach().numpy())\n"
        "numpy.save('y.npy', numpy.stack(found))\n"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not list(tmp_path.rglob("canary"))
    answers = np.load(tmp_path / "y.npy")
    assert len(answers) == len(HOSTILE) and (answers == answers[0]).all()
    assert prove(portable, lambda _, __, dtype: [answers[0]], dtypes=("float64",)).verdict == "holds"


def test_layers_whose_names_look_alike_keep_apart() -> None:
    """Four names that come to one identifier, and look-alikes of it in other alphabets."""
    made = standalone(model(("a b", "a-b", "a_b", "a\u0430b")))
    owners = {key.partition(".")[0] for key in made.arrays}
    assert len(owners) == 4 and all(name.isidentifier() and name.isascii() for name in owners)


def test_a_hostile_port_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = f'"""\n{CANARY}\n\x1b[2J'
    wm.save(hostile(name), tmp_path / "in.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(["port", "in.safetensors", "-o", "out", "--standalone"])
    assert not ended.value.code
    assert is_only_text((tmp_path / "out" / "model.py").read_text(encoding="utf-8"))
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize("guard", ["names", "comments"])
def test_without_its_guard_the_attack_runs(guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary works, and `is_only_text` sees it."""
    attack = {"names": f"__dict__[str({CANARY})]", "comments": f"a\n        {CANARY}  #"}[guard]
    portable = model((attack, "b", "c", "d"))
    assert is_only_text(standalone(portable).text)
    guarded = names.Names.new
    if guard == "names":
        monkeypatch.setattr(names.Names, "new", lambda self, name: name if CANARY in name else guarded(self, name))
    else:
        monkeypatch.setattr(writer, "comment", str)
    text = standalone(portable).text
    assert not is_only_text(text)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {"__name__": "attacked", "__file__": "model.py"}
    exec(compile(text, "model.py", "exec"), scope)
    scope["Model"]()
    assert (tmp_path / "canary").exists()
