"""How a standalone file states the layers around the recurrent ones: PyTorch's modules for the common ones; for the
rest the library's own function, traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from weight_mapping.graph import Call
from weight_mapping.plain import KINDS
from weight_mapping.spec import Path, Plain
from weight_mapping.torch.convolution import edges
from weight_mapping.torch.functions import function
from weight_mapping.torch.plain import FUNCTIONS, PlainLayer
from weight_mapping.torch.plain_call import PlainCall
from weight_mapping.torch.standalone.tracing import DTYPE, Traced, render
from weight_mapping.torch.standalone.writer import Writer
from weight_mapping.weights import Array

Arrays = Mapping[str, Array]
_LINEAR = KINDS["conv"].options["activation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """One call of one layer to be written: its weights by Keras' names, its first input."""

    w: Writer
    path: Path
    layer: Plain
    arrays: Arrays
    x: Traced

    @property
    def o(self) -> Mapping[str, Any]:
        return self.layer.options


def state(w: Writer, call: Call, layer: Plain, arrays: Arrays) -> Traced:
    """The layer's output as an expression; `arrays` are the layer's weights."""
    one = Stated(w=w, path=call.path, layer=layer, arrays=arrays, x=call.inputs[0])
    if KINDS[layer.kind].training_only:
        return _dropout(one)
    if layer.kind in _STATEMENTS:
        return _STATEMENTS[layer.kind](one)
    p = w.parameters(call.path, {n: a for n, a in arrays.items() if n != "count"})
    traced: Any = PlainCall(p=p, o=layer.options, inputs=call.inputs, masks=call.masks, training=False)  # type: ignore[arg-type]
    result: Any = FUNCTIONS[layer.kind](traced)
    return Traced(result.text, result.shadow, result.atom)


def _dropout(one: Stated) -> Traced:
    """Dropout of single values is PyTorch's own; other noise, which also acts in training only, is left out."""
    rate = one.o.get("rate", 0.0)
    if one.layer.kind != "dropout" or one.o["noise_shape"] is not None or not 0 < rate < 1:
        return one.x
    return Traced(f"{one.w.module(one.path, f'nn.Dropout({rate!r})', {})}({one.x.text})", one.x.shadow)


def _dense(one: Stated) -> Traced:
    kernel, bias = one.arrays["kernel"], one.arrays.get("bias")
    own = {"weight": kernel.T, **({} if bias is None else {"bias": bias})}
    plain = "" if bias is not None else ", bias=False"
    owner = one.w.module(one.path, f"nn.Linear({kernel.shape[0]}, {kernel.shape[1]}{plain})", own)
    return _activated(one, Traced(f"{owner}({one.x.text})", _shadow(one)))


def _shadow(one: Stated) -> Tensor:
    """What the layer without its activation gives."""
    linear = {"activation": _LINEAR} if "activation" in one.o else {}
    result: Tensor = PlainLayer(replace(one.layer, options={**one.o, **linear}), one.arrays, DTYPE)([one.x.shadow])
    return result


def _activated(one: Stated, y: Traced) -> Traced:
    """Its activation on a value that an expression may name several times, hence under a name."""
    activation = one.o["activation"]
    if activation.name == "linear":
        return y
    if activation.name in ("tanh", "sigmoid"):
        return Traced(f"torch.{activation.name}({y.text})", function(activation)(y.shadow))
    result: Any = function(activation)(one.w.bind(y, f"{one.path[-1]}_linear"))  # type: ignore[arg-type]
    return Traced(result.text, result.shadow, result.atom)


def _embedding(one: Stated) -> Traced:
    table = one.arrays["embeddings"]
    owner = one.w.module(one.path, f"nn.Embedding({table.shape[0]}, {table.shape[1]})", {"weight": table})
    return Traced(f"{owner}({one.x.operand}.long())", _shadow(one))


def _activation(one: Stated) -> Traced:
    return _activated(one, one.x)


def _conv(one: Stated) -> Traced:
    """A convolution as nn.Conv1d, 2d or 3d on channels first, the padding before it; a depthwise one has a group a
    channel, a separable one is followed by its convolution with windows of one cell."""
    o, rank, arrays = one.o, one.o["rank"], one.arrays
    space = tuple(range(rank))
    if one.layer.kind == "conv":
        kernel, groups = arrays["kernel"].transpose(rank + 1, rank, *space), o["groups"]
    else:
        deep = arrays["depthwise_kernel"]
        kernel, groups = deep.transpose(rank, rank + 1, *space).reshape(-1, 1, *deep.shape[:rank]), deep.shape[rank]
    bias = arrays.get("bias") if one.layer.kind != "separable_conv" else None
    options = {"stride": o["strides"], "dilation": o["dilation"], "groups": groups}
    text = f"{_made(one, kernel, bias, options)}({_padded(one, tuple(kernel.shape[2:]))})"
    if one.layer.kind == "separable_conv":
        point = arrays["pointwise_kernel"].transpose(rank + 1, rank, *space)
        text = f"{_made(one, point, arrays.get('bias'), {}, 'pointwise')}({text})"
    text = text if o["channels_first"] else f"{text}.movedim(1, -1)"
    return _activated(one, Traced(text, _shadow(one)))


def _made(one: Stated, kernel: Array, bias: Array | None, options: Mapping[str, Any], part: str = "") -> str:
    channels = kernel.shape[1] * options.get("groups", 1)
    told = [f"{n}={render(v)}" for n, v in options.items() if v != 1 and v != (1,) * (kernel.ndim - 2)]
    told += [] if bias is not None else ["bias=False"]
    size = [str(channels), str(kernel.shape[0]), render(tuple(kernel.shape[2:]))]
    constructor = f"nn.Conv{kernel.ndim - 2}d({', '.join([*size, *told])})"
    return one.w.module(one.path, constructor, {"weight": kernel, **({} if bias is None else {"bias": bias})}, part)


def _front(one: Stated) -> str:
    return one.x.text if one.o["channels_first"] else f"{one.x.operand}.movedim(-1, 1)"


def _padded(one: Stated, window: tuple[int, ...]) -> str:
    """The image with the cells around it; how many depends on its size where padding same meets strides."""
    o, image = one.o, _front(one)
    if o["padding"] == "valid":
        return image
    strides, dilation = tuple(o["strides"]), tuple(o["dilation"])
    if o["padding"] == "same" and set(strides) != {1}:
        around = one.w.convolution("edges")
        told = f"{render(window)}, {render(strides)}, {render(dilation)}, pad_start={o['pad_start']!r}"
        return f"{one.w.convolution('pad')}({image}, {around}('same', {image}.shape[2:], {told}))"
    sizes = tuple(one.x.shape[2:] if o["channels_first"] else one.x.shape[1:-1])
    cells = edges(o["padding"], [int(n) for n in sizes], window, strides, dilation, pad_start=o["pad_start"])
    return f"functional.pad({image}, {render(tuple(int(n) for pair in reversed(cells) for n in pair))})"


def _pool(one: Stated) -> Traced:
    o, image = one.o, _front(one)
    size, strides = render(tuple(o["size"])), render(tuple(o["strides"]))
    if o["padding"] == "valid":
        text = f"functional.{o['op']}_pool{o['rank']}d({image}, {size}, {strides})"
    else:
        told = f"size={size}, strides={strides}, padding='same', pad_start={o['pad_start']!r}"
        text = f"{one.w.convolution('pool')}({image}, {o['op']!r}, {told})"
    return Traced(text if o["channels_first"] else f"{text}.movedim(1, -1)", _shadow(one))


_STATEMENTS: Mapping[str, Callable[[Stated], Traced]] = {
    "dense": _dense, "embedding": _embedding, "activation": _activation, "conv": _conv, "depthwise_conv": _conv,
    "separable_conv": _conv, "pool": _pool,
}  # fmt: skip
