"""Runs of the same shapes as CUDA graphs: all steps in one launch, recorded at the second call, played from the third.

A graph reads and writes tensors of its own, into which a call's are copied. What can't be recorded runs launch by
launch, and `obstacle` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from torch import Tensor

MOST = 16
"""So many graphs are kept, with the memory of their tensors; the oldest goes first."""

Run = Callable[[Mapping[str, Tensor]], None]
Recorded = tuple[dict[str, Tensor], Any]
"""A graph's tensors, and the graph."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """By what runs, where, on which shapes: its tensors and graph, or None after one call. `obstacle`: why nothing is
    recorded any more."""

    graphs: dict[Any, Recorded | None] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    obstacle: str | None = None


memory = Memory()


def run(what: Run, key: Any, tensors: Mapping[str, Tensor], written: Collection[str]) -> None:
    """Do `what` on the tensors, which are on one GPU, and of which it changes those `written`; `key` tells it from
    others."""
    stream = torch.cuda.current_stream()
    shapes = tuple((name, t.shape, t.dtype) for name, t in tensors.items())
    known = None
    with memory.lock:
        if not memory.obstacle and not torch.cuda.is_current_stream_capturing():
            known = _known(what, (key, shapes, stream.device, stream.cuda_stream), tensors)
        if known:
            _play(*known, tensors, written)
    if not known:
        what(tensors)


def _play(own: Mapping[str, Tensor], graph: Any, tensors: Mapping[str, Tensor], written: Collection[str]) -> None:
    for name, t in tensors.items():
        own[name].copy_(t)
    graph.replay()
    for name in written:
        tensors[name].copy_(own[name])


def _known(what: Run, key: Any, tensors: Mapping[str, Tensor]) -> Recorded | None:
    """The graph of this key from its second call on; the first is noted."""
    if key not in memory.graphs:
        memory.graphs[key] = None
        while len(memory.graphs) > MOST:
            del memory.graphs[next(iter(memory.graphs))]
    elif memory.graphs[key] is None:
        memory.graphs[key] = _recorded(what, tensors)
    return memory.graphs[key]


def _recorded(what: Run, tensors: Mapping[str, Tensor]) -> Recorded | None:
    try:
        with torch.inference_mode(False), torch.no_grad():
            own = {name: t.clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
            what(own)  # compiles what isn't yet: nothing may be loaded while a graph is recorded
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                what(own)
    except RuntimeError as error:
        memory.obstacle = f"no CUDA graph: {error}"
        return None
    return own, graph
