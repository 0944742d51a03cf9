"""A TensorFlow SavedModel: the layers' descriptions out of keras_metadata.pb (or, before TensorFlow 2.5, out of
saved_model.pb), the arrays out of its checkpoint. Its graph is never loaded, let alone run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from weight_mapping.errors import DamagedFile, shown
from weight_mapping.files import object_graph, protobuf
from weight_mapping.files.archive import Archive
from weight_mapping.files.checkpoint import read_checkpoint
from weight_mapping.files.guard import Source, digest, reading
from weight_mapping.files.strict_json import parse_object

GRAPH, METADATA, INDEX = "saved_model.pb", "keras_metadata.pb", "variables/variables.index"
_MAX_BYTES = 64 << 20


def open_savedmodel(find: Callable[[str], Source], has_metadata: bool, max_bytes: int, keep_optimizer: bool) -> Archive:
    """`find` gives the file of a path within the folder."""
    described = find(METADATA) if has_metadata else find(GRAPH)
    with reading(described.name):
        if described.length > _MAX_BYTES:
            raise DamagedFile("the description is too large", where=described.name, found=f"{described.length:,} bytes")
        data = described.read()
        metadata = _keras_metadata(data, described.name) if has_metadata else _graph_metadata(data, described.name)
    # What Keras 3's `export` and tf.saved_model.save write are weights alone: the layers are not described.
    known, root = "root" in metadata, metadata.get("root", {})
    if has_metadata and not known:
        raise DamagedFile("the description does not begin with the model", where=described.name)
    index = find(INDEX)
    checkpoint = read_checkpoint(index, lambda name: find(f"variables/{name}"), max_bytes)
    return Archive(
        container="SavedModel",
        path=described.path.parent,
        sha256=digest([described, *checkpoint.files]),
        keras_version=root.get("keras_version"),
        backend=root.get("backend", "tensorflow"),
        config=(root.get("model_config") or {key: root.get(key) for key in ("class_name", "config")})
        if known
        else None,
        named=checkpoint.named,
        metadata=metadata,
        optimizer=checkpoint.extra if keep_optimizer else {},
        reader=checkpoint.reader,
    )


def _keras_metadata(data: bytes, where: str) -> dict[str, Any]:
    """SavedMetadata (tf_keras/protobuf/saved_metadata.proto): nodes 1; of each, node_path 3, metadata 5."""
    described: dict[str, Any] = {}
    for node in protobuf.messages(data, 1, where):
        path, document = protobuf.text(node, 3, where), protobuf.text(node, 5, where)
        if document:
            described[path] = parse_object(document, f"{where}:{shown(path)}")
    return described


def _graph_metadata(data: bytes, where: str) -> dict[str, Any]:
    """SavedModel.meta_graphs 2 . object_graph_def 7 . nodes 1; of each, children 1 (node_id 1, local_name 2) and
    user_object 4 (metadata 3). Source: tensorflow/core/protobuf/saved_object_graph.proto."""
    graphs = [graph for meta in protobuf.messages(data, 2, where) for graph in protobuf.messages(meta, 7, where)]
    nodes = [node for graph in graphs[:1] for node in protobuf.messages(graph, 1, where)]
    described: dict[str, Any] = {}
    queue, known = deque([(0, "root")] if nodes else []), {0}
    while queue:
        node_id, path = queue.popleft()
        for user_object in protobuf.messages(nodes[node_id], 4, where):
            document = protobuf.text(user_object, 3, where)
            if document:
                described[path] = parse_object(document, f"{where}:{shown(path)}")
        for name, target in object_graph.children(nodes[node_id], where):
            if target not in known and target < len(nodes):
                known.add(target)
                queue.append((target, f"{path}.{name}"))
    return described
