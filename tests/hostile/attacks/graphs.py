"""Functional models of Keras 3 whose graph is a maze: calls that double from level to level, cycles, tensors of nobody,
twelve thousand layers. Their weights are those of the sound model's LSTM."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attacks.changed_h5 import Make
from attacks.keras_zips import zipped

Config = dict[str, Any]


def tensor(of: str, call: int = 0, output: int = 0) -> Config:
    history = [of, call, output]
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 6, 3], "dtype": "float32",
                                                         "keras_history": history}}  # fmt: skip


def layer(class_name: str, name: str, calls: Sequence[Any] = (), **config: Any) -> Config:
    """`calls`: of each, what is given: a tensor or a list of tensors."""
    module = "keras" if class_name == "Functional" else "keras.layers"
    return {"module": module, "class_name": class_name, "config": {"name": name, **config}, "registered_name": None,
            "name": name, "inbound_nodes": [{"args": [given], "kwargs": {}} for given in calls]}  # fmt: skip


def model(name: str, layers: Sequence[Config], calls: Sequence[Any] = (), *, ends: Any = None) -> Config:
    """A functional model; its input is the first layer, its output the last unless `ends` says other."""
    first, last = layers[0]["name"], layers[-1]["name"]
    return layer("Functional", name, calls, layers=list(layers), input_layers=[[first, 0, 0]],
                 output_layers=ends or [[last, 0, 0]])  # fmt: skip


def entry(name: str, shape: Sequence[Any] = (None, 6, 3)) -> Config:
    return layer("InputLayer", name, batch_shape=list(shape))


def lstm(*calls: Any, name: str = "lstm", **options: Any) -> Config:
    return layer("LSTM", name, calls, units=5, **{"return_sequences": True, **options})


def graph(layers: Callable[[], Sequence[Config]], ends: Any = None) -> Make:
    """The sound archive with this graph for its configuration."""

    def change(members: dict[str, bytes]) -> None:
        members["config.json"] = json.dumps(model("m", layers(), ends=ends)).encode()

    return zipped(change)


def _doubling_models(depth: int) -> list[Config]:
    """Each model calls the one inside twice, one after the other: 2 ** depth calls in a few lines."""
    inner = model("m0", [entry("i0"), layer("Dropout", "d0", [tensor("i0")], rate=0.1)])
    for n in range(1, depth):
        inside = {**inner, "inbound_nodes": []}
        name = inside["name"]
        calls = [{"args": [tensor(f"i{n}")], "kwargs": {}}, {"args": [tensor(name)], "kwargs": {}}]
        inner = model(f"m{n}", [entry(f"i{n}"), {**inside, "inbound_nodes": calls}], ends=[[name, 1, 0]])
    return [entry("i"), lstm(tensor("i")), {**inner, "inbound_nodes": [{"args": [tensor("lstm")], "kwargs": {}}]}]


def _doubling_sizes(times: int) -> list[Config]:
    """Concatenated with itself again and again."""
    layers = [entry("i"), lstm(tensor("i"))]
    for n in range(times):
        last = layers[-1]["name"]
        layers.append(layer("Concatenate", f"c{n}", [[tensor(last), tensor(last)]], axis=-1))
    return layers


def _doubling_paths(times: int) -> list[Config]:
    """Added to itself again and again: 2 ** times paths from end to end, and as many additions as layers."""
    layers = [entry("i"), lstm(tensor("i"))]
    for n in range(times):
        last = layers[-1]["name"]
        layers.append(layer("Add", f"a{n}", [[tensor(last), tensor(last)]]))
    return layers


def _row(count: int) -> list[Config]:
    layers = [entry("i"), lstm(tensor("i"))]
    return layers + [layer("Dropout", f"d{n}", [tensor(f"d{n - 1}" if n else "lstm")], rate=0.1) for n in range(count)]


def wide(count: int) -> list[Config]:
    layers = [entry("i"), lstm(tensor("i"))]
    layers += [layer("Dropout", f"d{n}", [tensor("lstm")], rate=0.1) for n in range(count)]
    return [*layers, layer("Add", "sum", [[tensor(f"d{n}") for n in range(count)]])]


def stacked(count: int) -> list[Config]:
    """A layer of so many cells, one upon the other."""
    cells = [{"class_name": "LSTMCell", "config": {"name": f"c{n}", "units": 5}} for n in range(count)]
    cell = {"class_name": "StackedRNNCells", "config": {"name": "cells", "cells": cells}}
    return [entry("i"), layer("RNN", "lstm", [tensor("i")], cell=cell)]


ATTACKS: Mapping[str, Make] = {
    "graph of doubling models": graph(lambda: _doubling_models(30)),
    "graph of doubling sizes": graph(lambda: _doubling_sizes(60)),
    "graph of doubling paths": graph(lambda: [*_doubling_paths(300), layer("Lambda", "end", [tensor("a299")])]),
    "graph of 12000 layers": graph(lambda: _row(12_000)),
    "graph of 12000 layers at once": graph(lambda: wide(12_000)),
    "graph of 12000 calls": graph(
        lambda: [entry("i"), lstm(tensor("i")), layer("Dropout", "d", [tensor("lstm")] * 12_000, rate=0.1)]
    ),
    "graph of 12000 calls of the LSTM": graph(lambda: [entry("i"), lstm(*[tensor("i")] * 12_000)]),
    "graph of 12000 inputs": graph(
        lambda: [*(entry(f"i{n}") for n in range(12_000)), lstm(tensor("i0"))],
        ends=[["lstm", 0, 0]],
    ),
    "graph of 12000 outputs": graph(lambda: [entry("i"), lstm(tensor("i"))], ends=[["lstm", 0, 0]] * 12_000),
    "graph of 30000 cells": graph(lambda: stacked(30_000)),
    "graph of 30000 tensors in one call": graph(lambda: [*wide(0)[:2], layer("Add", "a", [[tensor("lstm")] * 30_000])]),
    "graph of itself": graph(lambda: [entry("i"), lstm(tensor("lstm"))]),
    "graph in a circle": graph(
        lambda: [
            entry("i"), lstm(tensor("i")), layer("Add", "a", [[tensor("lstm"), tensor("b")]]),
            layer("Add", "b", [[tensor("a"), tensor("lstm")]]),
        ]
    ),
    "graph of nobody": graph(lambda: [entry("i"), lstm(tensor("nobody"))]),
    "graph of an output that is not": graph(lambda: [entry("i"), lstm(tensor("i", 0, 10**9))]),
    "graph of an output before the first": graph(lambda: [entry("i"), lstm(tensor("i", 0, -1))]),
    "graph of a call before the first": graph(
        lambda: [entry("i"), lstm(tensor("i")), layer("Add", "a", [[tensor("lstm", -1), tensor("lstm")]])]
    ),
    "graph of a true call": graph(
        lambda: [entry("i"), lstm(tensor("i")), layer("Dropout", "d", [tensor("lstm", True)], rate=0.1)]
    ),
    "graph that ends in nobody": graph(lambda: [entry("i"), lstm(tensor("i"))], ends=[["nobody", 0, 0]]),
    "graph that ends in its outputs' output": graph(lambda: [entry("i"), lstm(tensor("i"))], ends=[["lstm", 0, 7]]),
    "graph of two of one name": graph(lambda: [entry("i"), lstm(tensor("i")), lstm(tensor("lstm"))]),
    "graph without ends": graph(lambda: [entry("i"), lstm(tensor("i"))], ends=[[]]),
    "graph of arguments 150 deep": graph(
        lambda: [entry("i"), lstm(tensor("i")), layer("Add", "a", [json.loads("[" * 150 + "1" + "]" * 150)])]
    ),
    "graph of a mask that is a layer": graph(
        lambda: [
            entry("i"), {**lstm(tensor("i")), "inbound_nodes": [
                {"args": [tensor("i")], "kwargs": {"mask": {"class_name": "Lambda", "config": {}}}}
            ]},
        ]
    ),
    "graph of states of another size": graph(
        lambda: [
            entry("i"), {**lstm(tensor("i")), "inbound_nodes": [
                {"args": [tensor("i")], "kwargs": {"initial_state": [tensor("i"), tensor("i")]}}
            ]},
        ]
    ),
    "graph of sizes that do not fit": graph(
        lambda: [entry("i"), lstm(tensor("i")), layer("Add", "a", [[tensor("i"), tensor("lstm")]])]
    ),
    "graph added to nothing": graph(lambda: [entry("i"), lstm(tensor("i")), layer("Add", "a", [[]])]),
    "graph that is dot with itself": graph(
        lambda: [entry("i"), lstm(tensor("i")), layer("Dot", "a", [[tensor("lstm"), tensor("lstm")]], axes=[9, -9])]
    ),
}  # fmt: skip
SOUND: Mapping[str, Make] = {
    "graph": graph(lambda: [entry("i"), lstm(tensor("i")), layer("Dropout", "d", [tensor("lstm")], rate=0.1)]),
    "graph of 100 paths": graph(lambda: _doubling_paths(7)),
    "graph of models": graph(lambda: _doubling_models(4)),
    "graph of 300 layers": graph(lambda: _row(300)),
}
