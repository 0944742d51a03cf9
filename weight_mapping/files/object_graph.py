"""The object graph inside a TensorFlow checkpoint: which variable belongs to which layer. A checkpoint's keys alone do
not tell: a SavedModel calls an LSTM's kernel `variables/0`.
Source: tensorflow/core/protobuf/trackable_object_graph.proto."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from weight_mapping.errors import DamagedFile
from weight_mapping.files import protobuf

KEY = b"_CHECKPOINTABLE_OBJECT_GRAPH"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_CHECKSUM = 4
# Lists that name every variable again, and what belongs to training.
_ASIDE = (
    "variables", "trainable_variables", "non_trainable_variables", "regularization_losses", "losses", "keras_api",
    "signatures", "optimizer", "save_counter", "layers", "layer_metrics", "loss", "metrics",
)  # fmt: skip
_ASIDE_3 = (
    "signatures", "optimizer", "save_counter", "_all_variables", "_loss_tracker", "_metrics", "_compile_metrics",
)  # fmt: skip


def graph_of(data: bytes, where: str) -> tuple[bytes, list[bytes]]:
    """The one string of a scalar string tensor (its length, a checksum, its bytes), and the blocks that the tensor's
    own checksum covers: the length in 32 bits, then what lies behind it as it is."""
    size, at = protobuf.varint(data, 0, where)
    if at + _CHECKSUM + size != len(data):
        raise DamagedFile("the object graph contradicts its length", where=where, found=len(data), expected=size)
    return data[at + _CHECKSUM :], [size.to_bytes(4, "little"), data[at:]]


def variables(graph: bytes, where: str) -> dict[str, str]:
    """Checkpoint key -> the variable's path through the layers ("layer_with_weights-0/cell/kernel" and SUFFIX), for
    every variable of the model; an optimizer's or a metric's is not among them. Keras 3 hides its layers behind
    names that begin with "_"; there each variable's own name is given: "sequential/lstm/lstm_cell/kernel"."""
    nodes = protobuf.messages(graph, 1, where)
    found = {key: path + SUFFIX for key, path, _, _ in _walk(nodes, _is_keras_2, where)}
    return found or _own_names(nodes, where)


def _is_keras_2(child: str) -> bool:
    # MultiHeadAttention keeps its parts under _query_dense and the like.
    return child not in _ASIDE and (not child.startswith("_") or child.endswith("_dense"))


def _own_names(nodes: list[bytes], where: str) -> dict[str, str]:
    """Checkpoint key -> name, in the order of the layers and within one in that of its objects. A variable that is
    listed twice comes once, a dropout's random state not at all."""
    found: dict[str, str] = {}
    told = sorted(_walk(nodes, lambda child: child not in _ASIDE_3, where), key=lambda one: (_place(one[1]), one[3]))
    for key, _, name, _ in told:
        found.setdefault(name, key)
    return {key: name for name, key in found.items() if name and not name.endswith("/seed_generator_state")}


def _place(path: str) -> list[int]:
    """Where in the model a variable lies: 3, 1 of "_operations/3/_layers/1/cell/kernel"."""
    return [int(part) for part in path.split("/") if part.isdecimal()]


def _walk(nodes: list[bytes], follow: Callable[[str], bool], where: str) -> Iterator[tuple[str, str, str, int]]:
    """(checkpoint key, path, full name, node number) of every variable that is reached from the root by children to
    `follow`. Of a node: attributes 2 (name 1, full_name 2, checkpoint_key 3)."""
    queue, known = deque([(0, "")] if nodes else []), {0}
    while queue:
        node, path = queue.popleft()
        for attribute in protobuf.messages(nodes[node], 2, where):
            if protobuf.text(attribute, 1, where) == "VARIABLE_VALUE":
                yield protobuf.text(attribute, 3, where), path, protobuf.text(attribute, 2, where), node
        for name, target in children(nodes[node], where):
            if target >= len(nodes):
                raise DamagedFile("the object graph names a node that it lacks", where=where, found=target)
            if target not in known and follow(name):
                known.add(target)
                queue.append((target, f"{path}/{name}".removeprefix("/")))


def children(node: bytes, where: str) -> list[tuple[str, int]]:
    """A node's children: (local name, node number); one reached twice is met first under its layer_with_weights-1."""
    named = [(protobuf.text(c, 2, where), protobuf.number(c, 1, where)) for c in protobuf.messages(node, 1, where)]
    return sorted(named, key=lambda child: not child[0].startswith("layer_with_weights-"))
