"""Where a container keeps each leaf's arrays. A file of weights does not say which array is whose: that follows from
how its writer laid it out, in one of three ways, a module each:

`legacy`        a group a layer, the arrays in the order in which Keras lists them (HDF5 of Keras 1 and 2), or a mere
                table of names (tfjs); `own_names` says what an array's name tells
`tree`          the tree of objects of Keras 3's `.keras` and `.weights.h5`
`object_graph`  the paths of the object graph in TensorFlow's checkpoints and SavedModels

`found` holds the arrays to what the leaf expects."""

from __future__ import annotations

from collections.abc import Sequence

from weight_mapping.addresses import legacy, object_graph, tree
from weight_mapping.addresses.found import Found
from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Archive
from weight_mapping.files.object_graph import SUFFIX
from weight_mapping.keras_config import Parsed


def locate(parsed: Parsed, wanted: Sequence[Expectation], archive: Archive) -> Found:
    """Every leaf with its arrays' headers, in the leaf's own order. WeightsMismatch names the layer that has none."""
    if archive.tree is not None:
        return tree.by_tree(parsed, wanted, archive.tree, archive.names)
    if archive.layers is not None:
        return legacy.by_layer(wanted, archive.layers)
    named = archive.named or {}
    if any(name.endswith(SUFFIX) for name in named):
        return object_graph.by_object_graph(parsed, wanted, named)
    return legacy.by_layer(wanted, legacy.grouped(named.values(), parsed))
