"""Configurations that name code: a Lambda, a class of their author's, a function, a path. Refused by name, in every
container; nothing of them is imported, opened or run."""

from __future__ import annotations

import base64
import copy
import json
import marshal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import CONTAINERS, configuration, sound
from watching import watched

import weight_mapping as wm
import weight_mapping.torch as wt
from harness.cli import main
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.keras_config import layers, riding
from weight_mapping.spec import Recurrent

h5py = pytest.importorskip("h5py")
CANARY = "canary"
CODE = compile(f"__import__('os').mkdir('{CANARY}')", "attack", "eval")
BYTECODE = base64.b64encode(marshal.dumps(CODE)).decode()
FUNCTION = {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}


def layer(class_name: str, module: str | None = "", registered: str | None = None, **config: Any) -> dict[str, Any]:
    """`module` and `registered` as Keras 3 writes them, None for null; without them as Keras 2."""
    told = {} if module == "" else {"module": module, "registered_name": registered}
    return {**told, "class_name": class_name, "config": {"name": "evil", **config}}


LAMBDA = layer("Lambda", function=[BYTECODE, None, None], function_type="lambda", module="builtins")
KERAS_3_LAMBDA = layer(
    "Lambda", "keras.layers", function={"class_name": "__lambda__", "config": {"code": BYTECODE, "defaults": None}}
)
ATTACKS: dict[str, tuple[Any, str]] = {
    "a Lambda by a function's name": (
        layer("Lambda", function="system", function_type="function", module="os"),
        "Lambda",
    ),
    "a Lambda of bytecode": (LAMBDA, "Lambda"),
    "a Lambda of Keras 3": (KERAS_3_LAMBDA, "Lambda"),
    "a Lambda both ways": (layer("Bidirectional", layer=LAMBDA), "Lambda"),
    "a Lambda as the backward layer": (
        layer("Bidirectional", layer=layer("LSTM", units=3), backward_layer=LAMBDA),
        "Lambda",
    ),
    "a Lambda at every step": (layer("TimeDistributed", layer=LAMBDA), "Lambda"),
    "a Lambda in a model": (layer("Sequential", layers=[LAMBDA]), "Lambda"),
    "a Lambda as a cell": (layer("RNN", cell=LAMBDA), "Lambda"),
    "a Merge by a function": (layer("Merge", mode=BYTECODE, mode_type="lambda"), "Merge"),
    "a class of its author's": (layer("AttentionWeightedAverage", units=3), "AttentionWeightedAverage"),
    "a function as a class": (layer("system", "os", "system", command="mkdir canary"), "system"),
    "a class in a module": (layer("Popen", "subprocess", "Popen", args=["mkdir", CANARY]), "Popen"),
    "a function as an activation": (layer("LSTM", units=3, activation=FUNCTION), "system"),
    "bytecode as an activation": (
        layer("Dense", units=3, activation={"class_name": "__lambda__", "config": {"code": BYTECODE}}),
        "__lambda__",
    ),
    "a SavedModel as a layer": (
        layer("TFSMLayer", "keras.layers", filepath="/etc", call_endpoint="serve"),
        "TFSMLayer",
    ),
    "a vocabulary that is a path": (layer("StringLookup", "keras.layers", vocabulary="/etc/passwd"), "StringLookup"),
    "another vocabulary": (layer("TextVectorization", "keras.layers", vocabulary="/etc/passwd"), "TextVectorization"),
    "a registered function": (layer("keras>get_file", "keras", fname="x", origin="file:///etc/passwd"), "get_file"),
    "a registered name of Keras' package": (layer("keras>Lambda", function=BYTECODE), "Lambda"),
    "an author's LSTM": (layer("Mine>LSTM", units=3), "Mine>LSTM"),
    "an author's LSTM in a package like Keras'": (layer("keras_mine>LSTM", units=3), "keras_mine>LSTM"),
    "an author's LSTM as Keras 3 stores it": (layer("LSTM", "mine", "Mine>LSTM", units=3), "Mine>LSTM"),
    "an author's cell": (layer("RNN", cell=layer("LSTMCell", "mine", "Mine>LSTMCell", units=3)), "Mine>LSTMCell"),
    "an author's LSTM that a script defines": (layer("LSTM", None, "LSTM", units=3), "LSTM"),
    "an author's LSTM both ways": (layer("Bidirectional", layer=layer("Mine>LSTM", units=3)), "LSTM"),
    "an author's LSTM backwards": (
        layer("Bidirectional", layer=layer("LSTM", units=3), backward_layer=layer("LSTM", None, "LSTM", units=3)),
        "LSTM",
    ),
    "an author's LSTM at every step": (layer("TimeDistributed", layer=layer("LSTM", None, "LSTM", units=3)), "LSTM"),
    "an author's stack": (
        layer("RNN", cell=layer("StackedRNNCells", None, "StackedRNNCells", cells=[layer("LSTMCell", units=3)])),
        "StackedRNNCells",
    ),
    "an author's model": (layer("Sequential", None, "Sequential", layers=[layer("LSTM", units=3)]), "Sequential"),
    "an author's activation": (layer("LSTM", units=3, activation=layer("ReLU", None, "Mine>ReLU")), "ReLU"),
    "an operation that is a function": (layer("TFOpLambda", function="os.system"), "TFOpLambda"),
    "a node of a graph": (
        layer("TensorFlowOpLayer", node_def="name: 'x' op: 'PyFunc'", constants={}),
        "TensorFlowOpLayer",
    ),
}


def attacked(evil: Any) -> dict[str, Any]:
    """The sound model with one more layer at its end."""
    config = copy.deepcopy(configuration())
    config["config"]["layers"].append(evil)
    return config


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary would be made in the working directory. What the reader imports is imported before it is watched."""
    monkeypatch.chdir(tmp_path)
    for name, write in CONTAINERS.items():
        folder = tmp_path / f"warm {name}"
        folder.mkdir()
        wt.build(wm.load(*write(folder, configuration())))


def opened(path: Path, config: Path | None) -> list[Path]:
    return [path, path.parent / "a.bin", *([config] if config else [])]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_code_in_a_configuration_is_refused_by_name_and_not_touched(name: str, container: str, tmp_path: Path) -> None:
    evil, said = ATTACKS[name]
    path, config = CONTAINERS[container](tmp_path, attacked(evil))
    with watched(*opened(path, config)) as happened, pytest.raises(PortingError) as refused:
        wt.build(wm.load(path, config))
    assert said in str(refused.value) and refused.value.exit_code in (2, 3)
    assert happened == [] and not (tmp_path / CANARY).exists()


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_neighbour_loads_and_opens_its_own_files_alone(container: str, tmp_path: Path) -> None:
    path, config = CONTAINERS[container](tmp_path, configuration())
    with watched(*opened(path, config)) as happened:
        module = wt.build(wm.load(path, config))
    assert happened == [] and list(module.spec.layers) == ["lstm", "dense"]


@pytest.mark.parametrize("name", ["a Lambda of bytecode", "a vocabulary that is a path", "an author's LSTM"])
def test_the_command_names_it_and_writes_nothing(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil, said = ATTACKS[name]
    path, _ = CONTAINERS["h5"](tmp_path, attacked(evil))
    with pytest.raises(SystemExit) as ended:
        main(["port", str(path), "-o", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists() and not (tmp_path / CANARY).exists()
    with pytest.raises(SystemExit) as ended:  # the recurrent layers around it are still to be had
        main(["port", str(path), "-o", str(tmp_path / "out"), "--layers-only"])
    assert not ended.value.code and (tmp_path / "out" / "model.safetensors").exists()


# A layer that nothing reaches, and arguments of a call: Keras builds and runs them all the same.


def functional(*dead: Any, arguments: Any = ()) -> dict[str, Any]:
    def tensor(of: str) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, 7, 3], "keras_history": [of, 0, 0]}}

    head, lstm, dense = copy.deepcopy(configuration()["config"]["layers"])
    head["inbound_nodes"], name = [], head["config"]["name"]
    lstm["inbound_nodes"] = [{"args": [tensor(name)], "kwargs": {}}]
    dense["inbound_nodes"] = [{"args": [tensor("lstm"), *arguments], "kwargs": {}}]
    layers = [{**one, "name": one["config"]["name"]} for one in (head, lstm, dense, *dead)]
    ends = {"input_layers": [[name, 0, 0]], "output_layers": [["dense", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


def test_a_dead_node_is_refused_like_any_other(tmp_path: Path) -> None:
    for evil, said in ((LAMBDA, "Lambda"), (ATTACKS["a function as a class"][0], "system")):
        dead = {**evil, "inbound_nodes": [{"args": [FUNCTION], "kwargs": {}}]}
        path, config = CONTAINERS["keras"](tmp_path, functional(dead))
        with watched(*opened(path, config)) as happened, pytest.raises(PortingError, match=said):
            wt.build(wm.load(path, config))
        assert happened == []


def test_a_function_among_a_call_s_arguments_is_data(tmp_path: Path) -> None:
    """Keras 3 would resolve it; here it is no tensor, and so no input."""
    arguments = [FUNCTION, {"class_name": "__lambda__", "config": {"code": BYTECODE}}]
    for given in ([], arguments):
        path, config = CONTAINERS["keras"](tmp_path, functional(arguments=given))
        with watched(*opened(path, config)) as happened:
            try:
                found = wm.load(path, config).spec
            except PortingError:
                found = None
        assert happened == [] and (given or found == wm.load(path, config).spec)


# What rides along: initialisers, regularisers, the compiled optimizer.

RIDERS = {
    "an initialiser": {
        "kernel_initializer": {"module": "os", "class_name": "system", "config": {"command": "mkdir canary"}}
    },
    "a registered one": {
        "kernel_regularizer": {
            "class_name": "L2",
            "module": "keras.regularizers",
            "registered_name": "Mine>Evil",
            "config": {},
        }
    },
    "a Lambda": {"bias_constraint": LAMBDA},
    "a function": {"recurrent_initializer": FUNCTION},
    "a path": {"bias_initializer": "../../evil.py"},
}


@pytest.mark.parametrize("name", RIDERS)
def test_what_rides_along_is_not_handed_on(name: str, tmp_path: Path) -> None:
    """It changes no output, so the model loads; and a Keras that loads what is written from it finds no such thing."""
    config = configuration()
    config["config"]["layers"][1]["config"] |= RIDERS[name]
    config["compile_config"] = {"optimizer": FUNCTION, "loss": LAMBDA}
    path, _ = CONTAINERS["keras"](tmp_path, config)
    with watched(*opened(path, None)) as happened:
        portable = wm.load(path)
    assert happened == []
    wm.save(portable, tmp_path / "again.keras", keras=3)
    written = json.dumps(wm.load(tmp_path / "again.keras").source.config)
    assert not any(word in written for word in ("system", "Mine>Evil", "Lambda", "evil.py", BYTECODE))


def test_what_is_keras_own_rides_on(tmp_path: Path) -> None:
    own = {
        "kernel_initializer": {
            "module": "keras.initializers",
            "class_name": "Zeros",
            "config": {},
            "registered_name": None,
        },
        "recurrent_initializer": "orthogonal",
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
        "unit_forget_bias": False,
    }
    config = configuration()
    config["config"]["layers"][1]["config"] |= own
    path, _ = CONTAINERS["keras"](tmp_path, config)
    wm.save(wm.load(path), tmp_path / "again.keras", keras=3)
    again = wm.load(tmp_path / "again.keras").source.config
    assert again is not None and own.items() <= again["config"]["layers"][1]["config"].items()


# The guards' guards.


def test_without_the_check_a_rider_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration()
    config["config"]["layers"][1]["config"] |= RIDERS["an initialiser"]
    path, _ = CONTAINERS["keras"](tmp_path, config)
    monkeypatch.setattr(riding, "_is_keras_own", lambda value: True)
    wm.save(wm.load(path), tmp_path / "again.keras", keras=3)
    assert "mkdir canary" in json.dumps(wm.load(tmp_path / "again.keras").source.config)


def test_the_canary_works() -> None:
    with watched() as happened:
        eval(marshal.loads(base64.b64decode(BYTECODE)))
    assert Path(CANARY).is_dir() and {event.split()[0] for event in happened} >= {"exec", "os.mkdir", "marshal.loads"}


def test_without_the_check_an_author_s_layer_is_taken_for_keras_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, config = CONTAINERS["h5"](tmp_path, _author_s_lstm())
    with pytest.raises(Unsupported, match="Mine>LSTM"):
        wt.build(wm.load(path, config))
    monkeypatch.setattr(layers, "keras_class", lambda value: value["class_name"].rpartition(">")[2])
    assert isinstance(wm.load(path, config).spec.layers["lstm"], Recurrent)


def _author_s_lstm() -> dict[str, Any]:
    config = configuration()
    config["config"]["layers"][1]["class_name"] = "Mine>LSTM"
    return config


def test_the_sound_model_computes_the_same_from_every_container(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(2, 7, 3))
    expected = wm.oracle.run(sound(), x)
    for name, write in CONTAINERS.items():
        folder = tmp_path / name
        folder.mkdir()
        found = wm.oracle.run(wm.load(*write(folder, configuration())), x)
        # tfjs stores float32: each of 60 products and sums rounds once
        assert np.abs(np.asarray(found) - np.asarray(expected)).max() < (60 * 2.0**-24 if name == "tfjs" else 1e-12), (
            name
        )
