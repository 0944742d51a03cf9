"""Every plain layer against Keras 3 in float64; what only Keras 1 had, against its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn import error

from weight_mapping.activations import NUMPY, activation
from weight_mapping.errors import Unsupported
from weight_mapping.oracle.convolution import pads
from weight_mapping.oracle.plain import FUNCTIONS
from weight_mapping.plain import KINDS, plain, weight_shapes
from weight_mapping.spec import Plain

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
# Sums of at most 64 products, each rounded once, in two implementations.
BOUND = 16 * 64 * 2.0**-53
RELU, SELU = activation("relu"), activation("selu")

Case = tuple[Plain, Callable[[], Any], tuple[tuple[int, ...], ...]]
_2D, _3D = {"rank": 2}, {"rank": 3}


def _conv(rank: int, **options: Any) -> dict[str, Any]:
    once = (1,) * rank
    return {"rank": rank, "strides": once, "dilation": once, "filters": 4, **options}


def _layers() -> Any:
    return keras.layers


CASES: dict[str, Case] = {
    "dense": (plain("dense", units=4, activation=SELU), lambda: _layers().Dense(4, activation="selu"), ((2, 3, 5),)),
    "dense, softmax": (
        plain("dense", units=4, activation=activation("softmax"), use_bias=False),
        lambda: _layers().Dense(4, activation="softmax", use_bias=False), ((2, 5),),
    ),
    "activation": (plain("activation", activation=activation("mish")), lambda: _layers().Activation("mish"), ((2, 3),)),
    "masking": (plain("masking", mask_value=0.0), lambda: _layers().Masking(), ((2, 3, 4),)),
    "prelu": (plain("prelu"), lambda: _layers().PReLU(), ((2, 3, 4),)),
    "prelu, shared": (plain("prelu", shared_axes=(1,)), lambda: _layers().PReLU(shared_axes=[1]), ((2, 3, 4),)),
    "flatten": (plain("flatten"), lambda: _layers().Flatten(), ((2, 3, 4),)),
    "flatten, channels first": (
        plain("flatten", channels_first=True), lambda: _layers().Flatten("channels_first"), ((2, 3, 4, 5),),
    ),
    "reshape": (plain("reshape", target_shape=(-1, 2)), lambda: _layers().Reshape((-1, 2)), ((2, 3, 4),)),
    "permute": (plain("permute", dims=(2, 3, 1)), lambda: _layers().Permute((2, 3, 1)), ((2, 3, 4, 5),)),
    "repeat": (plain("repeat_vector", n=3), lambda: _layers().RepeatVector(3), ((2, 4),)),
    "rescaling": (plain("rescaling", scale=0.25, offset=-1.0), lambda: _layers().Rescaling(0.25, -1.0), ((2, 4),)),
    "concatenate": (plain("concatenate", axis=1), lambda: _layers().Concatenate(axis=1), ((2, 3, 4), (2, 1, 4))),
    **{
        kind: (plain(kind), lambda kind=kind: getattr(_layers(), kind.capitalize())(), ((2, 3, 4), (2, 3, 4), (2, 4)))
        for kind in ("add", "multiply", "average", "maximum", "minimum")
    },
    "subtract": (plain("subtract"), lambda: _layers().Subtract(), ((2, 3, 4), (2, 3, 4))),
    "dot of vectors": (plain("dot", axes=1), lambda: _layers().Dot(1), ((2, 4), (2, 4))),
    "dot of sequences": (plain("dot", axes=(2, 1)), lambda: _layers().Dot((2, 1)), ((2, 3, 4), (2, 4, 5))),
    "dot, normalised": (
        plain("dot", axes=-1, normalize=True), lambda: _layers().Dot(-1, normalize=True), ((2, 3, 4), (2, 5, 4)),
    ),
    "batch": (plain("batch_normalization"), lambda: _layers().BatchNormalization(), ((2, 3, 4),)),
    "batch, axis 1, bare": (
        plain("batch_normalization", axis=1, scale=False, center=False, epsilon=0.1),
        lambda: _layers().BatchNormalization(axis=1, scale=False, center=False, epsilon=0.1), ((2, 3, 4, 5),),
    ),
    "layer": (plain("layer_normalization"), lambda: _layers().LayerNormalization(), ((2, 3, 4),)),
    "layer, two axes": (
        plain("layer_normalization", axis=(1, -1)), lambda: _layers().LayerNormalization(axis=(1, -1)), ((2, 3, 5, 4),),
    ),
    "layer, rms scaling": (
        plain("layer_normalization", rms=True, center=False),
        lambda: _layers().LayerNormalization(rms_scaling=True), ((2, 3, 4),),
    ),
    "group": (plain("group_normalization", groups=2), lambda: _layers().GroupNormalization(2), ((2, 3, 6),)),
    "group, each, axis 1": (
        plain("group_normalization", groups=-1, axis=1), lambda: _layers().GroupNormalization(-1, axis=1), ((2, 3, 6),),
    ),
    "unit": (plain("unit_normalization"), lambda: _layers().UnitNormalization(), ((2, 3, 4),)),
    "normalization": (
        plain("normalization", mean=(1.0, 2.0, 3.0), variance=(0.5, 0.0, 2.0)),
        lambda: _layers().Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 0.0, 2.0]), ((2, 4, 3),),
    ),
    "normalization, inverted, of all": (
        plain("normalization", axis=(), mean=1.5, variance=0.5, invert=True),
        lambda: _layers().Normalization(axis=None, mean=1.5, variance=0.5, invert=True), ((2, 4, 3),),
    ),
    "conv 1d, causal": (
        plain("conv", **_conv(1, kernel_size=(3,), padding="causal", dilation=(2,), activation=RELU)),
        lambda: _layers().Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"), ((2, 7, 3),),
    ),
    "conv 2d, same, strides": (
        plain("conv", **_conv(2, kernel_size=(4, 3), padding="same", strides=(2, 3))),
        lambda: _layers().Conv2D(4, (4, 3), padding="same", strides=(2, 3)), ((2, 7, 8, 3),),
    ),
    "conv 2d, groups": (
        plain("conv", **_conv(2, kernel_size=(2, 2), groups=2, use_bias=False)),
        lambda: _layers().Conv2D(4, 2, groups=2, use_bias=False), ((2, 5, 5, 6),),
    ),
    "conv 3d": (
        plain("conv", **_conv(3, kernel_size=(2, 3, 1), padding="same")),
        lambda: _layers().Conv3D(4, (2, 3, 1), padding="same"), ((2, 4, 5, 3, 2),),
    ),
    **{
        f"transposed, {padding}, {kernel} by {stride}": (
            plain("conv_transpose", **_conv(1, kernel_size=(kernel,), strides=(stride,), padding=padding)),
            lambda k=kernel, s=stride, p=padding: _layers().Conv1DTranspose(4, k, strides=s, padding=p), ((2, 5, 3),),
        )
        for padding in ("same", "valid") for kernel in (2, 3, 4) for stride in (1, 2, 3)
    },
    "transposed 2d, more at the end": (
        plain("conv_transpose", **_conv(2, kernel_size=(3, 4), strides=(2, 3), padding="same", output_padding=(1, 1))),
        lambda: _layers().Conv2DTranspose(4, (3, 4), strides=(2, 3), padding="same", output_padding=(1, 1)),
        ((2, 5, 4, 3),),
    ),
    "depthwise 2d": (
        plain("depthwise_conv", **_conv(2, kernel_size=(3, 2), padding="same", depth_multiplier=2, filters=1)),
        lambda: _layers().DepthwiseConv2D((3, 2), padding="same", depth_multiplier=2), ((2, 5, 4, 3),),
    ),
    "separable 1d": (
        plain("separable_conv", **_conv(1, kernel_size=(3,), depth_multiplier=2, strides=(2,), activation=RELU)),
        lambda: _layers().SeparableConv1D(4, 3, depth_multiplier=2, strides=2, activation="relu"), ((2, 8, 3),),
    ),
    **{
        f"{op} pooling, {padding}": (
            plain("pool", op=op.lower(), rank=2, size=(2, 3), strides=(2, 2), padding=padding),
            lambda op=op, p=padding: getattr(_layers(), f"{op}Pooling2D")((2, 3), 2, padding=p), ((2, 5, 6, 3),),
        )
        for op in ("Max", "Average") for padding in ("same", "valid")
    },
    "global maximum": (plain("global_pool", **_2D), lambda: _layers().GlobalMaxPooling2D(), ((2, 3, 4, 5),)),
    "global mean, kept": (
        plain("global_pool", op="average", keepdims=True, **_3D),
        lambda: _layers().GlobalAveragePooling3D(keepdims=True), ((2, 3, 4, 2, 5),),
    ),
    "global mean over time, channels first": (
        plain("global_pool", op="average", rank=1, channels_first=True),
        lambda: _layers().GlobalAveragePooling1D("channels_first"), ((2, 3, 4),),
    ),
    "zero padding": (
        plain("zero_padding", padding=((1, 2), (0, 3))), lambda: _layers().ZeroPadding2D(((1, 2), (0, 3))),
        ((2, 3, 4, 2),),
    ),
    "cropping": (
        plain("cropping", cropping=((1, 0), (2, 1))), lambda: _layers().Cropping2D(((1, 0), (2, 1))), ((2, 3, 5, 2),),
    ),
    "up-sampling": (plain("up_sampling", size=(2, 3)), lambda: _layers().UpSampling2D((2, 3)), ((2, 3, 4, 2),)),
    "attention": (
        plain("attention", use_scale=True), lambda: _layers().Attention(use_scale=True), ((2, 3, 4), (2, 5, 4)),
    ),
    "attention, concat, key": (
        plain("attention", score_mode="concat", use_scale=True),
        lambda: _layers().Attention(score_mode="concat", use_scale=True), ((2, 3, 4), (2, 5, 6), (2, 5, 4)),
    ),
    "additive": (
        plain("attention", score_mode="additive", use_scale=True), lambda: _layers().AdditiveAttention(),
        ((2, 3, 4), (2, 5, 4)),
    ),
}  # fmt: skip


def _run(layer: Plain, made: Any, shapes: tuple[tuple[int, ...], ...], masks: list[Any] | None = None) -> None:
    """The same random weights in both, the same inputs: the same outputs."""
    rng = np.random.default_rng(3)
    inputs = [rng.normal(size=shape) for shape in shapes]
    if layer.kind == "masking":
        inputs[0][0, 1] = 0
    given = [tf.constant(x) for x in inputs]
    call = given if len(given) > 1 else given[0]
    options = {} if masks is None else {"mask": [None if m is None else tf.constant(m) for m in masks]}
    if masks is not None and len(given) == 1:
        options["mask"] = options["mask"][0]
    made(call, **options)
    arrays = [np.abs(rng.normal(size=w.shape)) + 0.1 for w in made.get_weights()]
    made.set_weights(arrays)
    names = list(weight_shapes(layer))
    assert len(names) == len(arrays)
    ours = FUNCTIONS[layer.kind](
        layer.options, dict(zip(names, arrays, strict=True)), inputs, masks or [None] * len(inputs)
    )
    assert error(ours, np.asarray(made(call, **options))) <= BOUND


@pytest.mark.parametrize("case", CASES)
def test_a_layer_computes_what_keras_computes(case: str) -> None:
    layer, make, shapes = CASES[case]
    with keras.device("cpu"):
        # Keras keeps the policy that it derives from floatx the first time: both are set, and both set back.
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            _run(layer, make(), shapes)
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")


QUERY, VALUE = np.array([[1, 1, 0], [1, 0, 1]], bool), np.array([[1, 0, 1, 1, 0], [0, 0, 1, 1, 1]], bool)


def test_attention_with_masks() -> None:
    made = keras.layers.Attention(dtype="float64")
    _run(plain("attention"), made, ((2, 3, 4), (2, 5, 4)), [QUERY, VALUE])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_many_heads(causal: bool, masked: bool) -> None:
    rng = np.random.default_rng(0)
    query, value = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 6))
    made = keras.layers.MultiHeadAttention(2, 4, value_dim=5, dtype="float64")
    made(tf.constant(query), tf.constant(value))
    arrays = [rng.normal(size=w.shape) for w in made.get_weights()]
    made.set_weights(arrays)
    layer = plain("multi_head_attention", num_heads=2, key_dim=4, value_dim=5, causal=causal)
    given = [tf.constant(query), tf.constant(value)]
    if masked:  # the query's mask is taken from the tensor alone, never from the call's argument
        for tensor, mask in zip(given, (QUERY, VALUE), strict=True):
            keras.src.backend.set_keras_mask(tensor, tf.constant(mask))
    expected = np.asarray(made(*given, use_causal_mask=causal))
    weights = dict(zip(weight_shapes(layer), arrays, strict=True))
    masks = [QUERY, VALUE] if masked else []
    ours = FUNCTIONS[layer.kind](layer.options, weights, [query, value], masks)
    assert error(ours, expected) <= BOUND


def test_the_mean_over_time_counts_unmasked_steps() -> None:
    made = keras.layers.GlobalAveragePooling1D(dtype="float64")
    _run(plain("global_pool", op="average", rank=1), made, ((2, 5, 3),), [VALUE])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_up_sampling(interpolation: str) -> None:
    """Keras resizes in float32: two sums of at most ten products, shares and values each off by 2^-24 of themselves."""
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2))
    layer = plain("up_sampling", size=(2, 3), interpolation=interpolation)
    expected = keras.layers.UpSampling2D((2, 3), interpolation=interpolation)(x.astype(np.float32))
    assert error(FUNCTIONS[layer.kind](layer.options, {}, [x], []), np.asarray(expected)) <= 60 * 2.0**-24


def test_the_middle_of_a_smaller_image_is_refused() -> None:
    layer = plain("center_crop", size=(4, 4))
    with pytest.raises(Unsupported, match="smaller"):
        FUNCTIONS[layer.kind](layer.options, {}, [np.zeros((1, 3, 5, 1))], [])


def test_a_mask_over_several_axes_is_refused() -> None:
    layer = plain("multi_head_attention", causal=True)
    with pytest.raises(Unsupported, match="over several axes"):
        FUNCTIONS[layer.kind](layer.options, {}, [np.zeros((1, 3, 5, 1))] * 2, [])


def test_the_layers_of_keras_1() -> None:
    rng = np.random.default_rng(0)
    x, kernel, carry, bias, carry_bias = (rng.normal(size=s) for s in ((2, 3), (3, 3), (3, 3), 3, 3))
    highway = plain("highway", activation=activation("tanh"))
    weights = {"kernel": kernel, "carry_kernel": carry, "bias": bias, "carry_bias": carry_bias}
    t = NUMPY.sigmoid(x @ carry + carry_bias)
    expected = t * np.tanh(x @ kernel + bias) + (1 - t) * x
    assert error(FUNCTIONS["highway"](highway.options, weights, [x], []), expected) <= BOUND
    kernels, biases = rng.normal(size=(4, 3, 5)), rng.normal(size=(4, 5))
    pieces = np.stack([x @ kernels[f] + biases[f] for f in range(4)])
    left, right = np.minimum(x, 0.2), np.maximum(x, 0.7)  # knees at 0.2 and 0.5 to the right of it
    srelu = {"t_left": 0.2, "a_left": 3.0, "t_right": -0.5, "a_right": 4.0}
    expected = np.clip(x, 0.2, 0.7) + 3 * (left - 0.2) + 4 * (right - 0.7)
    assert error(FUNCTIONS["srelu"]({}, {k: np.full((3,), v) for k, v in srelu.items()}, [x], []), expected) <= BOUND
    softplus = {"alphas": bias, "betas": carry_bias}
    expected = bias * np.log1p(np.exp(carry_bias * x))
    assert error(FUNCTIONS["parametric_softplus"]({}, softplus, [x], []), expected) <= BOUND
    one, other = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    expected = (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))
    found = FUNCTIONS["cosine"]({"axes": 1}, {}, [one, other], [])
    assert found.shape == (2, 1, 1) and error(found[:, 0, 0], expected) <= BOUND
    maxout = plain("maxout_dense", units=5)
    assert (
        error(FUNCTIONS["maxout_dense"](maxout.options, {"kernel": kernels, "bias": biases}, [x], []), pieces.max(0))
        <= BOUND
    )


def test_channels_first_is_the_same_layer_turned() -> None:
    rng = np.random.default_rng(0)
    x, kernel, bias = rng.normal(size=(2, 5, 6, 3)), rng.normal(size=(2, 3, 3, 4)), rng.normal(size=4)
    layer = plain("conv", **_conv(2, kernel_size=(2, 3), padding="same"))
    weights = {"kernel": kernel, "bias": bias}
    last = FUNCTIONS["conv"](layer.options, weights, [x], [])
    first = FUNCTIONS["conv"]({**layer.options, "channels_first": True}, weights, [np.moveaxis(x, -1, 1)], [])
    assert np.array_equal(np.moveaxis(first, 1, -1), last)


def test_an_odd_cell_of_padding_lies_at_the_end_or_at_the_start() -> None:
    assert pads([5], [4], [1], [1], "same", pad_start=False) == [(1, 2)]
    assert pads([5], [4], [1], [1], "same", pad_start=True) == [(2, 1)]
    assert pads([5], [3], [1], [1], "same", pad_start=True) == [(1, 1)]
    assert pads([6], [3], [2], [1], "same", pad_start=False) == [(0, 1)]
    assert pads([6], [3], [2], [1], "same", pad_start=True) == [(1, 1)], "half a window, whatever the stride"


def test_every_kind_has_its_function_and_training_only_layers_do_nothing() -> None:
    assert set(FUNCTIONS) == set(KINDS)
    x = np.arange(6.0).reshape(2, 3)
    for kind, row in KINDS.items():
        if row.training_only:
            assert FUNCTIONS[kind](plain(kind).options, {}, [x], []) is x


def test_ids_look_up_rows() -> None:
    table = np.random.default_rng(0).normal(size=(5, 3))
    layer = plain("embedding", input_dim=5, output_dim=3)
    for ids in (np.array([[0, 4], [2, 2]]), np.array([[0.0, 4.0], [2.0, 2.0]])):
        assert np.array_equal(
            FUNCTIONS["embedding"](layer.options, {"embeddings": table}, [ids], []), table[[[0, 4], [2, 2]]]
        )
