"""What an array's own name tells of whose it is: 'bidirectional/forward_lstm/lstm_cell/recurrent_kernel:0'."""

from __future__ import annotations

import re
from collections.abc import Sequence

from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Stored
from weight_mapping.spec import Path

Slot = tuple[Expectation, int]
"""One array of one leaf."""


def base(stored: Stored) -> str:
    """The last segment of the name, without the number that TensorFlow puts behind it: 'recurrent_kernel'."""
    return re.sub(r"(:\d+)?$", "", stored.name.rpartition("/")[2])


def _ends(stored: Stored, one: Expectation, n: int) -> bool:
    """Whether the array's own name ends in the n-th of the leaf's, and in none that is longer: recurrent_kernel is no
    kernel. Attention's query_kernel is a kernel in a part of its own, query."""
    own = re.sub(r"_\d+$", "", base(stored))
    for spelled in (own, "_".join([*stored.name.split("/")[:-1], own])):
        ends = [name for name in one.names if spelled == name or spelled.endswith(f"_{name}")]
        if ends:
            return max(ends, key=len) == one.names[n]
    return False


_OTHER = {"forward": "backward", "backward": "forward"}


def told(stored: Stored, one: Expectation, n: int) -> bool:
    """Whether the array's own name says that it is the n-th of this leaf's, and not the other direction's."""
    turned = any(f"{_OTHER[p]}_" in stored.name and f"{p}_" not in stored.name for p in one.path if p in _OTHER)
    return not turned and _ends(stored, one, n)


def by_name(slots: Sequence[Slot], arrays: Sequence[Stored]) -> list[dict[tuple[Path, int], Stored]]:
    """Each array by what its name says (tfjs keeps no order): one way to give them out, or none where some name does
    not tell."""
    left, chosen = list(arrays), {}
    for one, n in slots:
        fits = [a for a in left if told(a, one, n)]
        if not fits:
            return []
        chosen[one.path, n] = fits[0]
        left.remove(fits[0])
    return [chosen]
