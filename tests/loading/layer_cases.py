"""Single layers of Keras and the shapes of their inputs. `K` is keras or tf_keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_SEQUENCE, _IMAGE, _VOLUME = (7, 5), (6, 7, 4), (4, 5, 6, 3)
_SPACE = {1: _SEQUENCE, 2: _IMAGE, 3: _VOLUME}
_FILMS = {1: (5, 6, 3), 2: (5, 6, 7, 3), 3: (4, 5, 4, 6, 3)}
_WINDOW = (3, 2, 2)


_NOT_IN_3 = {"only": 2, "lacks": {3: "does not resize by"}}
_NEW = {"only": 3, "lacks": {2: "has no"}}


@dataclass(frozen=True, kw_only=True)
class LayerCase:
    """`shapes` without the batch; `only`: the one generation that has the layer; `ids`: inputs are whole numbers."""

    build: Callable[[Any], Any]
    shapes: tuple[tuple[int, ...], ...]
    only: int | None = None
    ids: bool = False
    lacks: Mapping[int, str] = field(default_factory=dict)
    """Generations that can't state the layer, and what the refusal says."""
    files: tuple[str, ...] = ("model.h5", "model.keras")


def _of(name: str, *shapes: tuple[int, ...], case: Mapping[str, Any] | None = None, **options: Any) -> LayerCase:
    return LayerCase(build=lambda K: getattr(K.layers, name)(**options), shapes=shapes or (_SEQUENCE,), **(case or {}))


def _around(wrapper: str, name: str, *shapes: tuple[int, ...], ids: bool = False, **options: Any) -> LayerCase:
    def build(K: Any) -> Any:
        return getattr(K.layers, wrapper)(getattr(K.layers, name)(**options))

    return LayerCase(build=build, shapes=shapes, ids=ids)


def _ranked() -> Iterator[tuple[str, LayerCase]]:
    for rank, shape in _SPACE.items():
        window, twice = _WINDOW[:rank], (2,) * rank
        first = (shape[-1], *shape[:-1])
        for name in (f"Conv{rank}D", f"Conv{rank}DTranspose"):
            lacks = {"only": 3, "lacks": {2: "ignores the dilation"}} if name == "Conv3DTranspose" else {}
            yield f"{name} same 2", _of(name, shape, filters=4, kernel_size=window, strides=twice, padding="same")
            yield f"{name} valid 2", _of(name, shape, filters=4, kernel_size=window, strides=twice, activation="tanh")
            yield f"{name} dilated", _of(name, shape, filters=4, kernel_size=2, dilation_rate=2, case=lacks)
            yield (
                f"{name} channels first",
                # strides of 2: with 1, Keras 3.15's eager bias goes to the wrong axis where filters equal the width
                _of(name, first, filters=4, kernel_size=2, strides=2, data_format="channels_first"),
            )
        output_padding = 1 if rank == 1 else (1,) * rank
        padded = {"strides": 2, "padding": "same", "output_padding": output_padding}
        yield f"Conv{rank}DTranspose padded", _of(f"Conv{rank}DTranspose", shape, filters=4, kernel_size=3, **padded)
        for op in ("Max", "Average"):
            yield f"Adaptive{op}Pooling{rank}D", _of(f"Adaptive{op}Pooling{rank}D", shape, output_size=3, case=_NEW)
            pooled = {"pool_size": window, "strides": twice, "padding": "same"}
            yield f"{op}Pooling{rank}D same", _of(f"{op}Pooling{rank}D", shape, **pooled)
            yield f"{op}Pooling{rank}D", _of(f"{op}Pooling{rank}D", first, pool_size=2, data_format="channels_first")
            yield f"Global{op}Pooling{rank}D", _of(f"Global{op}Pooling{rank}D", shape, keepdims=True)
        edges = ((1, 2), (0, 3), (2, 1))[:rank] if rank > 1 else (1, 2)
        yield f"Cropping{rank}D", _of(f"Cropping{rank}D", shape, cropping=edges)
        yield f"ZeroPadding{rank}D", _of(f"ZeroPadding{rank}D", shape, padding=edges)
        yield f"UpSampling{rank}D", _of(f"UpSampling{rank}D", shape, size=2)
        yield f"SpatialDropout{rank}D", _of(f"SpatialDropout{rank}D", shape, rate=0.4)
        film = _FILMS[rank]
        over = f"ConvLSTM{rank}D"
        same = {"padding": "same", "go_backwards": True, "dropout": 0.1, "return_sequences": True}
        yield f"{over} same", _of(over, film, filters=3, kernel_size=(2, 3, 2)[:rank], **same)
        hard = {"strides": twice, "recurrent_activation": "hard_sigmoid"}
        yield f"{over} strided", _of(over, film, filters=3, kernel_size=2, **hard)
        first = (film[0], film[-1], *film[1:-1])
        yield f"{over} channels first", _of(over, first, filters=3, kernel_size=2, data_format="channels_first")
        small = {"filters": 3, "kernel_size": 2}
        yield f"Bidirectional {over}", _around("Bidirectional", over, film, **small, return_sequences=True)
        yield f"TimeDistributed Conv{rank}D", _around("TimeDistributed", f"Conv{rank}D", film, filters=3, kernel_size=2)
    for rank in (1, 2):
        shape, first = _SPACE[rank], (_SPACE[rank][-1], *_SPACE[rank][:-1])
        for name, filters in ((f"SeparableConv{rank}D", {"filters": 4}), (f"DepthwiseConv{rank}D", {})):
            strided = {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2}
            yield f"{name} same", _of(name, shape, **filters, **strided)
            yield f"{name} channels first", _of(name, first, **filters, kernel_size=2, data_format="channels_first")
        local = {"filters": 4, "kernel_size": (3, 2)[:rank], "strides": (2, 1)[:rank], "activation": "relu"}
        gone = {"only": 2, "lacks": {3: "has no class"}}
        yield f"LocallyConnected{rank}D", _of(f"LocallyConnected{rank}D", shape, case=gone, **local)
        yield (
            f"LocallyConnected{rank}D channels first",
            _of(f"LocallyConnected{rank}D", first, case=gone, **local, data_format="channels_first"),
        )


_SLOPE = {"lacks": {2: "has no hard_sigmoid", 3: "has no hard_sigmoid"}}
_TWO = (_SEQUENCE, _SEQUENCE)
_EVERYWHERE = (
    "relu", "relu6", "elu", "selu", "gelu", "swish", "mish", "softplus", "softsign", "exponential", "leaky_relu",
    "softmax",
)  # fmt: skip
_IN_KERAS_3 = (
    "hard_silu", "hard_tanh", "celu", "soft_shrink", "hard_shrink", "tanh_shrink", "squareplus", "sparse_plus",
    "sparse_sigmoid", "log_sigmoid",
)  # fmt: skip

_BOTH, _NO_H5 = ("model.h5", "model.keras"), ("model.keras",)
_BY_FACTOR = {"factor": 0.2}
_AT_RANDOM: Mapping[str, tuple[dict[str, Any], int | None, tuple[str, ...]]] = {
    "Flip": ({}, None, _BOTH), "Rotation": (_BY_FACTOR, None, _BOTH), "Zoom": ({"height_factor": 0.2}, None, _BOTH),
    "Contrast": (_BY_FACTOR, None, _BOTH), "Brightness": (_BY_FACTOR, None, _NO_H5),
    "Translation": ({"height_factor": 0.2, "width_factor": 0.2}, None, _BOTH),
    "Height": (_BY_FACTOR, 2, _BOTH), "Width": (_BY_FACTOR, 2, _BOTH),
    **{what: ({}, 3, _BOTH) for what in
       ("ColorJitter", "ElasticTransform", "Erasing", "GaussianBlur", "Grayscale", "Invert", "Perspective", "Shear")},
    **dict.fromkeys(("ColorDegeneration", "Saturation", "Sharpness"), (_BY_FACTOR, 3, _NO_H5)),
    "Hue": (_BY_FACTOR, 3, _BOTH), "Posterization": ({"factor": 4}, 3, _NO_H5),
}  # fmt: skip
"""Options, the one generation that has the layer, and the files that Keras 3.15 can write of it."""

CASES: dict[str, LayerCase] = {
    **dict(_ranked()),
    **{f"activation {name}": _of("Activation", activation=name) for name in _EVERYWHERE},
    **{f"activation {name}": _of("Activation", activation=name, case=_NEW) for name in _IN_KERAS_3},
    "activation hard_sigmoid": _of("Activation", activation="hard_sigmoid", case=_SLOPE),
    **{name: _of(name, *_TWO) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    "Concatenate": _of("Concatenate", *_TWO, axis=1),
    "Dot": _of("Dot", *_TWO, axes=(1, 1), normalize=True),
    "Conv1D causal": _of("Conv1D", filters=4, kernel_size=3, dilation_rate=2, padding="causal"),
    "Conv2D groups": _of("Conv2D", _IMAGE, filters=6, kernel_size=2, groups=2),
    "UpSampling2D bilinear": _of("UpSampling2D", _IMAGE, size=(2, 3), interpolation="bilinear"),
    **{
        f"UpSampling2D {how}": _of("UpSampling2D", _IMAGE, size=(2, 3), interpolation=how)
        for how in ("bicubic", "lanczos3", "lanczos5")
    },
    **{
        f"UpSampling2D {how}": _of("UpSampling2D", _IMAGE, size=2, interpolation=how, case=_NOT_IN_3)
        for how in ("gaussian", "mitchellcubic")
    },
    **{
        f"Resizing {how}": _of("Resizing", _IMAGE, height=9, width=4, interpolation=how)
        for how in ("nearest", "bilinear", "bicubic", "area", "lanczos3")
    },
    "Resizing antialias": _of("Resizing", _IMAGE, height=3, width=3, antialias=True, case=_NEW),
    "CenterCrop": _of("CenterCrop", _IMAGE, height=3, width=4),
    **{
        f"Random{what}": _of(f"Random{what}", (6, 7, 3), case={"only": only, "files": files}, **options)
        for what, (options, only, files) in _AT_RANDOM.items()
    },
    "LeakyReLU": _of("LeakyReLU"),
    "ELU": _of("ELU", alpha=0.7),
    "PReLU": _of("PReLU"),
    "PReLU shared": _of("PReLU", shared_axes=[1]),
    "Softmax axis": _of("Softmax", axis=1),
    "ReLU": _of("ReLU", max_value=1.0, negative_slope=0.1, threshold=0.3),
    "ThresholdedReLU": _of("ThresholdedReLU", theta=0.4, case={"only": 2}),
    **{name: _of(name, rate=0.3) for name in ("Dropout", "GaussianDropout", "AlphaDropout")},
    "GaussianNoise": _of("GaussianNoise", stddev=0.2),
    "ActivityRegularization": _of("ActivityRegularization", l1=0.1),
    "Flatten": _of("Flatten"),
    "Flatten channels first": _of("Flatten", _IMAGE, data_format="channels_first"),
    "Reshape": _of("Reshape", target_shape=(-1, 7)),
    "Permute": _of("Permute", dims=(2, 1)),
    "RepeatVector": _of("RepeatVector", (5,), n=3),
    "Dense": _of("Dense", units=4, activation="softmax"),
    "Embedding": _of("Embedding", (7,), input_dim=10, output_dim=4, case={"ids": True}),
    "LayerNormalization": _of("LayerNormalization"),
    "LayerNormalization axes": _of("LayerNormalization", axis=[1, 2]),
    "BatchNormalization": _of("BatchNormalization"),
    "BatchNormalization axis": _of("BatchNormalization", axis=1),
    "GroupNormalization": _of("GroupNormalization", groups=5),
    "UnitNormalization": _of("UnitNormalization", axis=[1, 2]),
    "RMSNormalization": _of("RMSNormalization", case=_NEW),
    "Normalization": _of("Normalization", mean=1.0, variance=2.0),
    "Rescaling": _of("Rescaling", scale=0.5, offset=1.0),
    "EinsumDense": _of("EinsumDense", equation="abc,cd->abd", output_shape=(None, 6), bias_axes="d"),
    "EinsumDense axes": _of("EinsumDense", equation="abc,cde->aebd", output_shape=(3, None, 2), bias_axes="ed"),
    "Attention": _of("Attention", (7, 5), (6, 5), (6, 5), use_scale=True),
    "AdditiveAttention": _of("AdditiveAttention", (7, 5), (6, 5)),
    "MultiHeadAttention": LayerCase(
        build=lambda K: _unlisted(K.layers.MultiHeadAttention(2, 3, value_dim=4, output_shape=6)),
        shapes=((7, 5), (6, 5)),
    ),
    "MultiHeadAttention axes": LayerCase(
        build=lambda K: _unlisted(K.layers.MultiHeadAttention(2, 3, attention_axes=(2,))),
        shapes=((3, 7, 5), (3, 6, 5)),
    ),
    "MultiHeadAttention all axes": LayerCase(
        build=lambda K: _unlisted(K.layers.MultiHeadAttention(2, 3, output_shape=(4, 2))),
        shapes=((3, 7, 5), (2, 6, 5)),
    ),
    "MultiHeadAttention gate": LayerCase(
        build=lambda K: _unlisted(K.layers.MultiHeadAttention(2, 3, value_dim=4, use_gate=True, sliding_window=2)),
        shapes=((7, 5), (6, 5)),
        **_NEW,
    ),
    "GroupQueryAttention": LayerCase(
        build=lambda K: _unlisted(K.layers.GroupQueryAttention(3, 4, 2, use_gate=True, sliding_window=3)),
        shapes=((7, 5), (6, 5), (6, 4)),
        **_NEW,
    ),
    "TimeDistributed LSTM": _around("TimeDistributed", "LSTM", (3, 7, 5), units=4),
    "TimeDistributed BatchNormalization": _around("TimeDistributed", "BatchNormalization", (3, 7, 5)),
    "TimeDistributed Flatten": _around("TimeDistributed", "Flatten", (3, 7, 5)),
    "TimeDistributed Embedding": _around("TimeDistributed", "Embedding", (3, 7), ids=True, input_dim=10, output_dim=4),
    "TimeDistributed pooling": _around("TimeDistributed", "GlobalMaxPooling1D", (3, 7, 5)),
    "TimeDistributed twice": LayerCase(
        build=lambda K: K.layers.TimeDistributed(K.layers.TimeDistributed(K.layers.Dense(3))), shapes=((3, 4, 7, 5),)
    ),
}


def _unlisted(layer: Any) -> Callable[[list[Any]], Any]:
    """A layer that takes its inputs one by one."""
    return lambda inputs: layer(*inputs)
