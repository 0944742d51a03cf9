"""The object graph inside a TensorFlow checkpoint: which variable belongs to which layer. A checkpoint's keys alone do
not tell: a SavedModel calls an LSTM's kernel `variables/0`.
Source: tensorflow/core/protobuf/trackable_object_graph.proto."""

from __future__ import annotations

from collections import deque

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


def graph_of(data: bytes, where: str) -> bytes:
    """The one string of a scalar string tensor: its length, a checksum, its bytes."""
    size, at = protobuf.varint(data, 0, where)
    if at + _CHECKSUM + size != len(data):
        raise DamagedFile("the object graph contradicts its length", where=where, found=len(data), expected=size)
    return data[at + _CHECKSUM :]


def variables(graph: bytes, where: str) -> dict[str, str]:
    """Checkpoint key -> the variable's path through the layers ("layer_with_weights-0/cell/kernel" and SUFFIX), for
    every variable of the model; an optimizer's or a metric's is not among them."""
    nodes = protobuf.messages(graph, 1, where)
    found: dict[str, str] = {}
    queue, known = deque([(0, "")] if nodes else []), {0}
    while queue:
        node, path = queue.popleft()
        for attribute in protobuf.messages(nodes[node], 2, where):
            if protobuf.text(attribute, 1, where) == "VARIABLE_VALUE":
                found[protobuf.text(attribute, 3, where)] = path + SUFFIX
        for name, target in children(nodes[node], where):
            if target >= len(nodes):
                raise DamagedFile("the object graph names a node that it lacks", where=where, found=target)
            # MultiHeadAttention keeps its parts under _query_dense and the like.
            hidden = name.startswith("_") and not name.endswith("_dense")
            if target not in known and name not in _ASIDE and not hidden:
                known.add(target)
                queue.append((target, f"{path}/{name}".removeprefix("/")))
    return found


def children(node: bytes, where: str) -> list[tuple[str, int]]:
    """A node's children: (local name, node number); one reached twice is met first under its layer_with_weights-1."""
    named = [(protobuf.text(c, 2, where), protobuf.number(c, 1, where)) for c in protobuf.messages(node, 1, where)]
    return sorted(named, key=lambda child: not child[0].startswith("layer_with_weights-"))
