"""Sequential and functional models: a configuration's graph <-> `ModelSpec`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config.calls import Called, check_keywords, read_calls
from weight_mapping.keras_config.layers import MODELS, Stored, described, name_of, read_layer, read_merge
from weight_mapping.keras_config.operations import operation_node
from weight_mapping.keras_config.ownership import keras_class
from weight_mapping.keras_config.values import refuse_more
from weight_mapping.keras_config.words import Reading
from weight_mapping.spec import (
    Bidirectional,
    Input,
    Layer,
    ModelSpec,
    Node,
    Path,
    Plain,
    Recurrent,
    Ref,
    chain,
)


def read_model(value: Any, reading: Reading, stored: Stored, path: Path = ()) -> ModelSpec:
    """The graph of a stored model. Raises for a class that is no model and for a graph that does not hang together."""
    where = "/".join(path) or "the model"
    class_name, config = described(value, where)
    base = keras_class(value)
    if base not in MODELS or base == "Graph" or "layers" not in config:
        raise Unsupported(
            f"a model of the class {shown(class_name)}",
            where=where,
            class_name=class_name,
            expected="Sequential or a functional Model with its layers written out",
            way_out="A subclassed model's file holds no graph; port its layers one by one (--layers-only).",
        )
    if not isinstance(config["layers"], list):
        raise DamagedFile("layers is no list", where=where)
    refuse_more(config["layers"], "layers", where)
    name = str(config.get("name") or base.lower())
    read = _read_sequential if base == "Sequential" and "input_layers" not in config else _read_functional
    return read(name, config, reading, stored, path)


def _read_sequential(name: str, config: Mapping[str, Any], reading: Reading, stored: Stored, path: Path) -> ModelSpec:
    values = config["layers"]
    if not values:
        raise DamagedFile("a model without layers", where="/".join(path) or "the model")
    if described(values[0], "layers[0]")[0] == "Merge":
        return _read_branches(name, values, reading, stored, path)
    first = Input(name=f"{name}_input", shape=_batch_shape(values[0], config))
    layers: dict[str, Layer] = {}
    for position, value in enumerate(values):
        class_name, inner = described(value, f"layers[{position}]")
        layer_name = name_of(value, position)
        if class_name == "InputLayer":
            first = Input(name=layer_name, shape=_shape(inner))
            continue
        if layer_name in layers or layer_name == first.name:
            raise DamagedFile("two layers of one name", where=shown(layer_name))
        layers[layer_name] = read_layer(value, reading, stored, (*path, layer_name))
    if not layers:
        raise DamagedFile("a model without layers", where="/".join(path) or "the model")
    return chain(name, first, layers)


def _read_branches(name: str, values: list[Any], reading: Reading, stored: Stored, path: Path) -> ModelSpec:
    """Keras 1's Sequential that begins by merging other models: their inputs are the model's, in order."""
    merge_name, merge = name_of(values[0], 0), described(values[0], "layers[0]")[1]
    layers: dict[str, Layer] = {}
    inputs: list[Input] = []
    nodes: list[Node] = []
    for position, branch in enumerate(merge.get("layers") or []):
        branch_name = f"{name_of(branch, position)}_{position}"
        spec = read_model(branch, reading, stored, (*path, branch_name))
        own = [replace(i, name=f"{branch_name}_{i.name}") for i in spec.inputs]
        layers[branch_name] = spec
        inputs += own
        nodes.append(Node(name=branch_name, layer=branch_name, inputs=tuple(Ref(i.name) for i in own)))
    layers[merge_name] = read_merge(merge, merge_name)
    nodes.append(Node(name=merge_name, layer=merge_name, inputs=tuple(Ref(n.name) for n in nodes)))
    for position, value in enumerate(values[1:], 1):
        layer_name = name_of(value, position)
        layers[layer_name] = read_layer(value, reading, stored, (*path, layer_name))
        nodes.append(Node(name=layer_name, layer=layer_name, inputs=(Ref(nodes[-1].name),)))
    return ModelSpec(name=name, inputs=tuple(inputs), layers=layers, nodes=tuple(nodes), outputs=(Ref(nodes[-1].name),))


def _read_functional(name: str, config: Mapping[str, Any], reading: Reading, stored: Stored, path: Path) -> ModelSpec:
    layers: dict[str, Layer] = {}
    inputs: dict[str, Input] = {}
    calls: list[Called] = []
    for position, value in enumerate(config["layers"]):
        class_name, inner = described(value, f"layers[{position}]")
        layer_name = name_of(value, position)
        layer_name = str(value.get("name") or layer_name)
        if layer_name in layers or layer_name in inputs:
            raise DamagedFile("two layers of one name", where=shown(layer_name))
        if class_name == "InputLayer":
            inputs[layer_name] = Input(name=layer_name, shape=_shape(inner), dtype=_dtype(inner))
            continue
        found = read_calls(layer_name, value.get("inbound_nodes") or [], reading)
        calls += found
        refuse_more(calls, "calls of layers", name)
        if operation_node(class_name, value):
            continue  # an operation has no weights: each call becomes a node of its own below
        layers[layer_name] = read_layer(value, reading, stored, (*path, layer_name))
    values = {str(v.get("name") or name_of(v, n)): v for n, v in enumerate(config["layers"])}
    outputs = _ends(config.get("output_layers"), "output_layers")
    refuse_more(outputs, "outputs", name)
    wanted = [end[0] for end in _ends(config.get("input_layers"), "input_layers")]
    offsets = _offsets(layers, calls, outputs)
    nodes = _ordered(calls, values, layers, inputs, offsets)
    if reading.era.generation >= 3:
        nodes = tuple(_without_mask(node, reading) for node in nodes)
    lost = [w for w in wanted if w not in inputs]
    if lost:
        raise DamagedFile("an input layer that is not there", where="input_layers", found=shown(lost[0]))
    refs = tuple(_ref(end, inputs, offsets) for end in outputs)
    needed = _needed(nodes, refs)
    made = {node.name: node for node in nodes}
    for ref in refs:
        if ref.node not in made and ref.node not in inputs:
            raise DamagedFile("an output that no layer makes", where="output_layers", found=shown(ref.node))
    return ModelSpec(
        name=name,
        inputs=tuple(inputs[w] for w in wanted),
        layers=layers,
        nodes=tuple(n for n in nodes if n.name in needed),
        outputs=refs,
    )


def _without_mask(node: Node, reading: Reading) -> Node:
    """Keras 3 hands a layer no mask beside initial states, unless the call names one; Keras 2 does. Source: step 6 of
    Layer.__call__ in Keras 3.15, measured with Embedding(mask_zero) before an LSTM."""
    if not node.initial_state or node.mask is not None:
        return node
    reading.note(
        f"{shown(node.name)}: a mask that its input may carry is not used, as in {reading.era} beside initial states"
    )
    return replace(node, masked=False)


def _needed(nodes: tuple[Node, ...], outputs: tuple[Ref, ...]) -> set[str]:
    """The nodes that the outputs depend on: others (a call of a layer outside this model) are never run."""
    by_name = {node.name: node for node in nodes}
    stack, needed = [ref.node for ref in outputs], set()
    while stack:
        name = stack.pop()
        if name in needed or name not in by_name:
            continue
        needed.add(name)
        node = by_name[name]
        stack += [ref.node for ref in (*node.inputs, *node.initial_state, *([node.mask] if node.mask else []))]
    return needed


def _offsets(layers: Mapping[str, Layer], calls: list[Called], outputs: list[tuple[str, int, int]]) -> dict[str, int]:
    """Where a nested model's calls are counted from: a functional model counts the node that made it, so its first
    call is 1 in most files (`get_config` of Keras 2 and 3)."""
    used: dict[str, set[int]] = {}
    for layer, index, _ in [*(t for call in calls for t in call.tensors), *outputs]:
        used.setdefault(layer, set()).add(index)
    made = Counter(call.layer for call in calls)
    return {
        name: 1
        if isinstance(layer, ModelSpec) and 0 not in used.get(name, {0}) and max(used[name]) >= made[name]
        else 0
        for name, layer in layers.items()
    }


def _ref(tensor: tuple[str, int, int], inputs: Mapping[str, Input], offsets: Mapping[str, int]) -> Ref:
    layer, index, output = tensor
    return Ref(layer if layer in inputs else _node_name(layer, index - offsets.get(layer, 0)), output)


def _node_name(layer: str, index: int) -> str:
    return layer if index == 0 else f"{layer}#{index}"


def _ordered(
    calls: list[Called],
    values: Mapping[str, Any],
    layers: dict[str, Layer],
    inputs: Mapping[str, Input],
    offsets: Mapping[str, int],
) -> tuple[Node, ...]:
    """Every call as a node, each after those that it takes from. Operations get a layer a call."""
    counted: Counter[str] = Counter()
    named: dict[str, Called] = {}
    for call in calls:
        name = _node_name(call.layer, counted[call.layer])
        if name in named:
            raise DamagedFile("two layers of one name", where=shown(name))
        named[name] = call
        counted[call.layer] += 1
    takes = {
        name: {of for t in call.tensors if (of := _ref(t, inputs, offsets).node) not in inputs}
        for name, call in named.items()
    }
    for name, taken in takes.items():
        if any(of not in named for of in taken):
            raise _never_made(name, named[name])
    sorter = TopologicalSorter(takes)
    try:
        sorter.prepare()
    except CycleError as circle:
        name = circle.args[1][0]
        raise _never_made(name, named[name]) from None
    place = {name: n for n, name in enumerate(named)}
    nodes: list[Node] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        nodes += [_node(name, named[name], values, layers, inputs, offsets) for name in ready]
        sorter.done(*ready)
    return tuple(nodes)


def _never_made(name: str, call: Called) -> DamagedFile:
    return DamagedFile("a layer whose inputs no layer makes", where=shown(name), found=shown(call.tensors))


def _node(
    name: str,
    call: Called,
    values: Mapping[str, Any],
    layers: dict[str, Layer],
    inputs: Mapping[str, Input],
    offsets: Mapping[str, int],
) -> Node:
    refs = {t: _ref(t, inputs, offsets) for t in call.tensors}
    value = values[call.layer]
    if call.layer not in layers:
        operation, order = operation_node(described(value, name)[0], value).read(call, name)  # type: ignore[union-attr]
        layers[name] = operation
        return Node(name=name, layer=name, inputs=tuple(refs[t] for t in order))
    check_keywords(call, name)
    layer = layers[call.layer]
    taken = tuple(refs[t] for t in call.positional)
    states = tuple(refs[t] for t in call.initial_state)
    if isinstance(layer, Recurrent | Bidirectional) and len(taken) > 1:
        taken, states = taken[:1], (*taken[1:], *states)
    if call.causal and isinstance(layer, Plain) and "causal" in layer.options:
        layers[call.layer] = Plain(kind=layer.kind, options={**layer.options, "causal": True})
    return Node(
        name=name, layer=call.layer, inputs=taken, mask=refs[call.mask] if call.mask else None, initial_state=states
    )


def _ends(value: Any, where: str) -> list[tuple[str, int, int]]:
    """input_layers or output_layers: one [name, node, tensor], a list of them, or a dict of them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
        value = [value]
    flat: list[tuple[str, int, int]] = []
    for one in value if isinstance(value, list) else []:
        if isinstance(one, list) and len(one) >= 3 and isinstance(one[0], str):
            flat.append((one[0], int(one[1]), int(one[2])))
        else:
            flat += _ends(one, where)
    if not flat:
        raise DamagedFile("a model without ends", where=where, found=shown(value))
    return flat


def _shape(config: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    value = config.get("batch_shape") or config.get("batch_input_shape")
    if value is None and isinstance(config.get("shape"), list):
        value = [None, *config["shape"]]
    if value is None:
        return None
    if not (isinstance(value, list) and all(n is None or (type(n) is int and n >= 1) for n in value)):
        raise DamagedFile("an input shape that is no list of sizes", found=shown(value))
    return tuple(value)


def _batch_shape(value: Any, model: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """The input shape of a Sequential without an InputLayer: on its first layer, the one inside, or the model."""
    class_name, config = described(value, "layers[0]")
    found = _shape(config)
    if found is None and class_name in MODELS and isinstance(config.get("layers"), list) and config["layers"]:
        return _batch_shape(config["layers"][0], {})
    if found is None and isinstance(config.get("layer"), Mapping):
        inner = _batch_shape(config["layer"], {})
        return inner if class_name != "TimeDistributed" or inner is None else None
    return found or _shape(
        {"batch_shape": model.get("build_input_shape")} if isinstance(model.get("build_input_shape"), list) else {}
    )


def _dtype(config: Mapping[str, Any]) -> str:
    value = config.get("dtype")
    return value if isinstance(value, str) else "float32"
