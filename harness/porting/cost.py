"""What one call of a layer costs the oracle, told by its sizes before it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

from weight_mapping.graph import Call
from weight_mapping.spec import Bidirectional, Operation, Path, Plain, Recurrent
from weight_mapping.weights import CellWeights, LeafWeights

Shape = tuple[int, ...]
Options = Mapping[str, Any]
Weights = Mapping[Path, LeafWeights]

_CALL, _CELL, _STEP, _NUMBER, _PRODUCT = 2.5e-3, 1e-2, 6e-5, 1.5e-8, 4e-10
"""Seconds that a call, a cell (which frameworks take long to set up), a step, a number and a product take, on one
processor of 2024 (measured with NumPy's float64, the greatest of several sizes): what is dear there is so anywhere."""
WEIGHT = 3e-8
"""Seconds that each of the model's weights takes a run, wherever it is used: it is copied, moved and hashed."""
_FEWEST = 3
"""Rows that a product is charged for at least: with fewer it is the reading of the matrix that takes the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`steps` of `cells`, one after another; `numbers` that the layer is given; `working` numbers that it holds while
    it computes; `products`: multiplications, each with its addition."""

    cells: int = 0
    steps: int = 0
    numbers: int = 0
    working: int = 0
    products: int = 0

    @property
    def seconds(self) -> float:
        return (
            _CALL
            + _CELL * self.cells
            + _STEP * self.steps
            + _NUMBER * (self.numbers + self.working)
            + _PRODUCT * self.products
        )


def cost(call: Call, weights: Weights) -> Cost:
    """Of this call, with the weights of the whole model by path."""
    shapes = [tuple(int(n) for n in x.shape) for x in call.inputs]
    numbers = sum(map(prod, shapes))
    match call.layer:
        case Recurrent() | Bidirectional():
            return _recurrent(call, shapes[0], numbers, weights)
        case Plain(kind=kind, options=options):
            own = weights.get(call.path, {})
            sizes = {} if isinstance(own, CellWeights) else {name: array.shape for name, array in own.items()}
            working, products = _PLAIN.get(kind, _by_kernels)(options, sizes, shapes)
            return Cost(numbers=numbers, working=working, products=products)
        case Operation() as operation:
            return Cost(numbers=numbers, products=_operation(operation, shapes))
        case _:
            return Cost(numbers=numbers)


def _recurrent(call: Call, shape: Shape, numbers: int, weights: Weights) -> Cost:
    """The sums of every step are there at once, and its output twice; of a ConvLSTM at every place, whose windows are
    laid out twice."""
    depth = len(call.path)
    own = [w for path, w in weights.items() if path[:depth] == call.path and isinstance(w, CellWeights)]
    rows, steps = shape[0], shape[1] if len(shape) > 1 else 0
    space = prod(shape[2:]) // max(own[0].kernel.shape[2], 1) if own and own[0].kernel.ndim > 3 else 1
    working = products = 0
    for cell in own:
        gates, units = cell.kernel.shape[:2]
        window = 2 * prod(cell.kernel.shape[2:]) if cell.kernel.ndim > 3 else 0
        working += rows * steps * space * (units * (gates + 2) + window)
        products += max(rows, _FEWEST) * steps * space * (cell.kernel.size + cell.recurrent.size)
    return Cost(cells=len(own), steps=steps * len(own), numbers=numbers, working=working, products=products)


Estimate = tuple[int, int]
"""Working numbers and products."""


def _by_kernels(o: Options, w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    """Every kernel once at every place, what there is of each of the input's channels; its sums, and its results."""
    x = shapes[0]
    channels = x[1 if o.get("channels_first") and len(x) > 1 else -1] if x else 1
    places = max(prod(x) // max(channels, 1), _FEWEST)
    kernels = [shape for name, shape in w.items() if name.endswith("kernel")]
    return 2 * sum(places * shape[-1] for shape in kernels if shape), sum(places * prod(shape) for shape in kernels)


def _convolution(o: Options, w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    """The same at every stride; each place's window is laid out twice, and dilation may reach far beyond the image."""
    strides = prod(o["strides"])
    _, products = _by_kernels(o, w, shapes)
    reach = prod((k - 1) * d + n for k, d, n in zip(o["kernel_size"], _dilation(o), _space(o, shapes[0]), strict=True))
    beyond = reach * prod(shapes[0]) // max(prod(_space(o, shapes[0])), 1) if o.get("padding") != "valid" else 0
    return 2 * prod(shapes[0]) * prod(o["kernel_size"]) // strides + beyond, ceil(products / strides)


def _transposed(o: Options, w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    space = _space(o, shapes[0])
    wide = prod(
        n * s + (k - 1) * d for n, s, k, d in zip(space, o["strides"], o["kernel_size"], _dilation(o), strict=True)
    )
    _, products = _by_kernels(o, w, shapes)
    return 2 * shapes[0][0] * wide * o["filters"], products


def _dilation(o: Options) -> Sequence[int]:
    return tuple(o.get("dilation", (1,) * o["rank"]))


def _space(o: Options, x: Shape) -> Shape:
    return x[2:] if o["channels_first"] else x[1:-1]


def _local(_o: Options, w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    kernel = w["kernel"]
    return 2 * shapes[0][0] * prod(kernel[:2]), shapes[0][0] * prod(kernel)


def _pool(o: Options, _w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    """Windows are seen, not laid out; what is looked at so takes as long as twenty products."""
    return 0, 20 * prod(shapes[0]) * prod(o["size"]) // prod(o["strides"])


def _repeated(o: Options, _w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    return prod(shapes[0]) * o["n"], 0


def _padded(o: Options, _w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    wider = prod(n + sum(around) for n, around in zip(_space(o, shapes[0]), o["padding"], strict=True))
    return prod(shapes[0]) // max(prod(_space(o, shapes[0])), 1) * wider, 0


def _resized(o: Options, _w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    """A matrix along each axis, from its old cells to its new ones."""
    held, working, products = prod(shapes[0]), 0, 0
    for old, size in zip(_space(o, shapes[0]), o["size"], strict=True):
        new = old * size if "antialias" not in o else size
        products += held * new
        held = held // max(old, 1) * new
        working = max(working, 2 * old * new + held)
    return working, products


def _attention(o: Options, w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    """Every query with every value, in every head; a sum over tanh lays the pairs out."""
    query, value = shapes[0], shapes[1] if len(shapes) > 1 else shapes[0]
    heads = o.get("num_heads", 1)
    pairs = query[0] * prod(query[1:-1]) * prod(value[1:-1]) * heads
    width = max(query[-1], value[-1], o.get("key_dim", 1), o.get("value_dim", 1))
    _, projected = _by_kernels({}, w, [max(shapes, key=prod)])
    laid_out = width if o.get("score_mode", "dot") != "dot" else 4
    return pairs * laid_out, 2 * pairs * width * (8 if laid_out > 4 else 1) + projected


def _dot(o: Options, _w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    a, b = (o["axes"], o["axes"]) if isinstance(o["axes"], int) else o["axes"]
    x, y = shapes[0], shapes[1]
    width = x[a] if -len(x) <= a < len(x) and -len(y) <= b < len(y) else 1
    pairs = prod(x) * prod(y) // max(width * width * x[0], 1)
    return pairs, pairs * width


def _einsum_dense(o: Options, w: Mapping[str, Shape], shapes: Sequence[Shape]) -> Estimate:
    return 0, _contraction(o["equation"], [shapes[0], w["kernel"]])


def _contraction(equation: str, shapes: Sequence[Shape]) -> int:
    """Of an einsum: a product for every combination of its letters; three dots stand for letters of their own."""
    sizes: dict[str, int] = {}
    for text, shape in zip(equation.split("->")[0].split(","), shapes, strict=False):
        before, dots, after = text.strip().partition("...")
        free = len(shape) - len(before) - len(after) if dots else 0
        letters = [*before, *(f"{n}" for n in range(-free, 0)), *after]
        sizes.update({letter: max(size, sizes.get(letter, 1)) for letter, size in zip(letters, shape, strict=False)})
    return prod(sizes.values())


def _operation(operation: Operation, shapes: Sequence[Shape]) -> int:
    match operation.name:
        case "matmul" if len(shapes) > 1 and all(len(shape) > 1 for shape in shapes):
            return max(map(prod, shapes)) * max(shape[-1] for shape in shapes)
        case "einsum":
            texts = [a for a in (*operation.arguments, *dict(operation.keywords).values()) if isinstance(a, str)]
            return max((_contraction(text, shapes) for text in texts), default=0)
        case _:
            return 0


_PLAIN: Mapping[str, Callable[[Options, Mapping[str, Shape], Sequence[Shape]], Estimate]] = {
    "conv": _convolution,
    "depthwise_conv": _convolution,
    "separable_conv": _convolution,
    "conv_transpose": _transposed,
    "local_conv": _local,
    "pool": _pool,
    "repeat_vector": _repeated,
    "zero_padding": _padded,
    "up_sampling": _resized,
    "resize": _resized,
    "attention": _attention,
    "multi_head_attention": _attention,
    "dot": _dot,
    "cosine": _dot,
    "einsum_dense": _einsum_dense,
}
"""The others: every kernel at every place, and what has none costs what it is given."""
