"""The graph of a functional model: its layers, and their calls as nodes, each after those that it takes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from weight_mapping.errors import DamagedFile, shown
from weight_mapping.keras_config.calls import Called, Tensor, check_keywords, read_calls
from weight_mapping.keras_config.input_shapes import stated_dtype, stated_shape
from weight_mapping.keras_config.layers import described, name_of
from weight_mapping.keras_config.operations import operation_node
from weight_mapping.keras_config.values import refuse_more
from weight_mapping.keras_config.words import Reading
from weight_mapping.spec import Bidirectional, Input, Layer, ModelSpec, Node, Plain, Recurrent, Ref

ReadNamed = Callable[[Any, str], Layer]
"""(stored object, its name in the graph) -> the layer, which may be a whole model."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a configuration lists, by name: the stored objects, the inputs and the layers among them, and every call.
    An operation has no weights: it becomes a layer for each of its calls, when they are read."""

    values: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)


def read_functional(name: str, config: Mapping[str, Any], reading: Reading, read_named: ReadNamed) -> ModelSpec:
    """Raises DamagedFile for a graph that does not hang together."""
    listed = _listed(name, config, reading, read_named)
    outputs = _ends(config.get("output_layers"), "output_layers")
    refuse_more(outputs, "outputs", name)
    wanted = [end[0] for end in _ends(config.get("input_layers"), "input_layers")]
    offsets = _offsets(listed.layers, listed.calls, outputs)
    nodes = _ordered(listed, offsets)
    if reading.era.generation >= 3:
        nodes = tuple(_without_mask(node, reading) for node in nodes)
    refs = tuple(_ref(end, listed.inputs, offsets) for end in outputs)
    _check_ends(wanted, refs, listed.inputs, {node.name for node in nodes})
    needed = _needed(nodes, refs)
    return ModelSpec(
        name=name,
        inputs=tuple(listed.inputs[w] for w in wanted),
        layers=listed.layers,
        nodes=tuple(n for n in nodes if n.name in needed),
        outputs=refs,
    )


def _listed(name: str, config: Mapping[str, Any], reading: Reading, read_named: ReadNamed) -> _Listed:
    found = _Listed()
    for position, value in enumerate(config["layers"]):
        class_name, inner = described(value, f"layers[{position}]")
        layer_name = str(value.get("name") or name_of(value, position))
        if layer_name in found.values:
            raise DamagedFile("two layers of one name", where=shown(layer_name))
        found.values[layer_name] = value
        if class_name == "InputLayer":
            found.inputs[layer_name] = Input(name=layer_name, shape=stated_shape(inner), dtype=stated_dtype(inner))
            continue
        found.calls.extend(read_calls(layer_name, value.get("inbound_nodes") or [], reading))
        refuse_more(found.calls, "calls of layers", name)
        if not operation_node(class_name, value):
            found.layers[layer_name] = read_named(value, layer_name)
    return found


def _check_ends(wanted: list[str], outputs: tuple[Ref, ...], inputs: Mapping[str, Input], made: set[str]) -> None:
    for name in wanted:
        if name not in inputs:
            raise DamagedFile("an input layer that is not there", where="input_layers", found=shown(name))
    for ref in outputs:
        if ref.node not in made and ref.node not in inputs:
            raise DamagedFile("an output that no layer makes", where="output_layers", found=shown(ref.node))


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


def _offsets(layers: Mapping[str, Layer], calls: list[Called], outputs: list[Tensor]) -> dict[str, int]:
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


def _ref(tensor: Tensor, inputs: Mapping[str, Input], offsets: Mapping[str, int]) -> Ref:
    layer, index, output = tensor
    return Ref(layer if layer in inputs else _node_name(layer, index - offsets.get(layer, 0)), output)


def _node_name(layer: str, index: int) -> str:
    return layer if index == 0 else f"{layer}#{index}"


def _ordered(listed: _Listed, offsets: Mapping[str, int]) -> tuple[Node, ...]:
    """Every call as a node, each after those that it takes from."""
    named = _named(listed.calls)
    refs = {name: {t: _ref(t, listed.inputs, offsets) for t in call.tensors} for name, call in named.items()}
    takes = {name: {ref.node for ref in of.values()} - listed.inputs.keys() for name, of in refs.items()}
    for name, taken in takes.items():
        if not taken <= named.keys():
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
        nodes += [_node(name, named[name], refs[name], listed) for name in ready]
        sorter.done(*ready)
    return tuple(nodes)


def _named(calls: list[Called]) -> dict[str, Called]:
    """Each call by the name of its node: the layer's, and from its second call on the call's number."""
    counted: Counter[str] = Counter()
    named: dict[str, Called] = {}
    for call in calls:
        name = _node_name(call.layer, counted[call.layer])
        if name in named:
            raise DamagedFile("two layers of one name", where=shown(name))
        named[name] = call
        counted[call.layer] += 1
    return named


def _never_made(name: str, call: Called) -> DamagedFile:
    return DamagedFile("a layer whose inputs no layer makes", where=shown(name), found=shown(call.tensors))


def _node(name: str, call: Called, refs: Mapping[Tensor, Ref], listed: _Listed) -> Node:
    value, layers = listed.values[call.layer], listed.layers
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
    mask = refs[call.mask] if call.mask else None
    return Node(name=name, layer=call.layer, inputs=taken, mask=mask, initial_state=states)


def _ends(value: Any, where: str) -> list[Tensor]:
    """input_layers or output_layers: one [name, node, tensor], a list of them, or a dict of them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
        value = [value]
    flat: list[Tensor] = []
    for one in value if isinstance(value, list) else []:
        if isinstance(one, list) and len(one) >= 3 and isinstance(one[0], str):
            flat.append((one[0], int(one[1]), int(one[2])))
        else:
            flat += _ends(one, where)
    if not flat:
        raise DamagedFile("a model without ends", where=where, found=shown(value))
    return flat
