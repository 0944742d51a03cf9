"""The closed table of operations, and the dictionary of their names: what Keras 3 calls each (`keras3`, class names of
keras.ops), tf.keras 2.4 to 2.15 in a TFOpLambda's `function` (`tf`), and tf.keras 2.0 to 2.3 in a TensorFlowOpLayer's
NodeDef (`node`). Names are looked up here and nowhere else: what the table lacks is refused."""

from __future__ import annotations

from dataclasses import dataclass

from weight_mapping.operations import elementwise, rearranging, reducing
from weight_mapping.operations.elementwise import Formula


@dataclass(frozen=True, slots=True)
class Row:
    """`formula`, its parameters named as in keras.ops; one that needs more than operators takes the module numpy or
    torch as its first, `xp`. `moves`: the result is the inputs' numbers, at other places."""

    formula: Formula
    keras3: tuple[str, ...] = ()
    tf: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    moves: bool = False


ROWS: dict[str, Row] = {
    "add": Row(lambda x1, x2: x1 + x2, ("Add",), ("math.add", "__operators__.add", "add"), ("AddV2", "Add", "BiasAdd")),
    "subtract": Row(lambda x1, x2: x1 - x2, ("Subtract",), ("math.subtract", "subtract"), ("Sub",)),
    "multiply": Row(lambda x1, x2: x1 * x2, ("Multiply",), ("math.multiply", "multiply"), ("Mul",)),
    "divide": Row(lambda x1, x2: x1 / x2, ("Divide",), ("math.divide", "divide"), ("RealDiv",)),
    "true_divide": Row(lambda x1, x2: x1 / x2, ("TrueDivide",), ("math.truediv", "truediv")),
    "floor_divide": Row(lambda x1, x2: x1 // x2, ("FloorDivide",), ("math.floordiv",), ("FloorDiv",)),
    "mod": Row(lambda x1, x2: x1 % x2, ("Mod",), ("math.floormod", "math.mod"), ("FloorMod",)),
    "power": Row(lambda x1, x2: x1**x2, ("Power",), ("math.pow", "pow"), ("Pow",)),
    "maximum": Row(elementwise.extreme("maximum"), ("Maximum",), ("math.maximum", "maximum"), ("Maximum",)),
    "minimum": Row(elementwise.extreme("minimum"), ("Minimum",), ("math.minimum", "minimum"), ("Minimum",)),
    "equal": Row(lambda x1, x2: x1 == x2, ("Equal",), ("math.equal", "__operators__.eq", "equal"), ("Equal",)),
    "not_equal": Row(
        lambda x1, x2: x1 != x2, ("NotEqual",), ("math.not_equal", "__operators__.ne", "not_equal"), ("NotEqual",)
    ),
    "greater": Row(lambda x1, x2: x1 > x2, ("Greater",), ("math.greater", "greater"), ("Greater",)),
    "greater_equal": Row(
        lambda x1, x2: x1 >= x2, ("GreaterEqual",), ("math.greater_equal", "greater_equal"), ("GreaterEqual",)
    ),
    "less": Row(lambda x1, x2: x1 < x2, ("Less",), ("math.less", "less"), ("Less",)),
    "less_equal": Row(lambda x1, x2: x1 <= x2, ("LessEqual",), ("math.less_equal", "less_equal"), ("LessEqual",)),
    "logical_and": Row(lambda x1, x2: (x1 != 0) & (x2 != 0), ("LogicalAnd",), ("math.logical_and",), ("LogicalAnd",)),
    "logical_or": Row(lambda x1, x2: (x1 != 0) | (x2 != 0), ("LogicalOr",), ("math.logical_or",), ("LogicalOr",)),
    "logical_not": Row(lambda x: x == 0, ("LogicalNot",), ("math.logical_not",), ("LogicalNot",)),
    "negative": Row(lambda x: -x, ("Negative",), ("math.negative", "negative"), ("Neg",)),
    "abs": Row(elementwise.of_xp("abs"), ("Abs", "Absolute"), ("math.abs", "abs"), ("Abs",)),
    "sign": Row(elementwise.of_xp("sign"), ("Sign",), ("math.sign", "sign"), ("Sign",)),
    "exp": Row(elementwise.of_xp("exp"), ("Exp",), ("math.exp", "exp"), ("Exp",)),
    "log": Row(elementwise.of_xp("log"), ("Log",), ("math.log",), ("Log",)),
    "log1p": Row(elementwise.of_xp("log1p"), ("Log1p",), ("math.log1p",), ("Log1p",)),
    "sqrt": Row(elementwise.of_xp("sqrt"), ("Sqrt",), ("math.sqrt", "sqrt"), ("Sqrt",)),
    "rsqrt": Row(lambda xp, x: 1 / xp.sqrt(x), ("Rsqrt",), ("math.rsqrt",), ("Rsqrt",)),
    "floor": Row(elementwise.of_xp("floor"), ("Floor",), ("math.floor", "floor"), ("Floor",)),
    "ceil": Row(elementwise.of_xp("ceil"), ("Ceil",), ("math.ceil",), ("Ceil",)),
    "round": Row(elementwise.round, ("Round",), ("math.round", "round"), ("Round",)),
    "reciprocal": Row(lambda x: 1 / x, ("Reciprocal",), ("math.reciprocal",), ("Reciprocal",)),
    "square": Row(lambda x: x * x, ("Square",), ("math.square", "square"), ("Square",)),
    "sin": Row(elementwise.of_xp("sin"), ("Sin",), ("math.sin", "sin"), ("Sin",)),
    "cos": Row(elementwise.of_xp("cos"), ("Cos",), ("math.cos", "cos"), ("Cos",)),
    "tanh": Row(elementwise.activation("tanh"), ("Tanh",), ("math.tanh", "tanh", "nn.tanh"), ("Tanh",)),
    "sigmoid": Row(
        elementwise.activation("sigmoid"), ("Sigmoid",), ("math.sigmoid", "sigmoid", "nn.sigmoid"), ("Sigmoid",)
    ),
    "relu": Row(elementwise.activation("relu"), ("Relu",), ("nn.relu",), ("Relu",)),
    "relu6": Row(elementwise.activation("relu", max_value=6.0), ("Relu6",), ("nn.relu6",), ("Relu6",)),
    "leaky_relu": Row(elementwise.leaky_relu, ("LeakyRelu",), ("nn.leaky_relu",), ("LeakyRelu",)),
    "elu": Row(elementwise.elu, ("Elu",), ("nn.elu",), ("Elu",)),
    "selu": Row(elementwise.activation("selu"), ("Selu",), ("nn.selu",), ("Selu",)),
    "gelu": Row(elementwise.gelu, ("Gelu",), ("nn.gelu",)),
    "softsign": Row(elementwise.activation("softsign"), ("Softsign",), ("nn.softsign",), ("Softsign",)),
    "hard_sigmoid": Row(elementwise.activation("hard_sigmoid", slope=1 / 6), ("HardSigmoid",)),
    "log_sigmoid": Row(elementwise.activation("log_sigmoid"), ("LogSigmoid",), ("math.log_sigmoid",)),
    "log_softmax": Row(elementwise.log_softmax, ("LogSoftmax",), ("nn.log_softmax",), ("LogSoftmax",)),
    "silu": Row(elementwise.activation("silu"), ("Silu",), ("nn.silu", "nn.swish")),
    "softplus": Row(elementwise.activation("softplus"), ("Softplus",), ("math.softplus", "nn.softplus"), ("Softplus",)),
    "softmax": Row(elementwise.softmax, ("Softmax",), ("nn.softmax",), ("Softmax",)),
    "sum": Row(reducing.reduction("sum"), ("Sum",), ("math.reduce_sum", "reduce_sum"), ("Sum",)),
    "mean": Row(reducing.mean, ("Mean",), ("math.reduce_mean", "reduce_mean"), ("Mean",)),
    "variance": Row(reducing.variance, ("Var",), ("math.reduce_variance",)),
    "std": Row(
        lambda xp, x, axis=None, keepdims=False: xp.sqrt(reducing.variance(xp, x, axis, keepdims)),
        ("Std",),
        ("math.reduce_std",),
    ),
    "norm": Row(reducing.norm, ("Norm",), ("norm", "compat.v1.norm")),
    "normalize": Row(reducing.normalize, ("Normalize",)),
    "l2_normalize": Row(reducing.l2_normalize, (), ("math.l2_normalize", "nn.l2_normalize")),
    "cumsum": Row(reducing.cumsum, ("Cumsum",), ("math.cumsum", "cumsum")),
    "argmax": Row(reducing.argmax, ("Argmax",), ("math.argmax", "argmax")),
    "max": Row(reducing.reduction("amax"), ("Max", "Amax"), ("math.reduce_max", "reduce_max"), ("Max",)),
    "min": Row(reducing.reduction("amin"), ("Min", "Amin"), ("math.reduce_min", "reduce_min"), ("Min",)),
    "prod": Row(reducing.prod, ("Prod",), ("math.reduce_prod", "reduce_prod"), ("Prod",)),
    "any": Row(reducing.reduction("any"), ("Any",), ("math.reduce_any",), ("Any",)),
    "all": Row(reducing.reduction("all"), ("All",), ("math.reduce_all",), ("All",)),
    "matmul": Row(
        reducing.matmul, ("Matmul",), ("linalg.matmul", "matmul"), ("MatMul", "BatchMatMul", "BatchMatMulV2")
    ),
    "einsum": Row(reducing.einsum, ("Einsum",), ("einsum", "linalg.einsum")),
    "cast": Row(elementwise.cast, ("Cast",), ("cast", "dtypes.cast"), ("Cast",), moves=True),
    "clip": Row(lambda xp, x, x_min, x_max: xp.clip(x, x_min, x_max), ("Clip",), ("clip_by_value",), ("ClipByValue",)),
    "where": Row(elementwise.where, ("Where",), ("where", "compat.v1.where"), ("SelectV2", "Select")),
    "zeros_like": Row(elementwise.filled_like("zeros_like"), ("ZerosLike",), ("zeros_like",), ("ZerosLike",)),
    "ones_like": Row(elementwise.filled_like("ones_like"), ("OnesLike",), ("ones_like",), ("OnesLike",)),
    "identity": Row(
        lambda x: x,
        ("StopGradient", "ConvertToTensor"),
        ("identity", "stop_gradient"),
        ("Identity", "StopGradient"),
        moves=True,
    ),
    "get_item": Row(rearranging.get_item, ("GetItem",), ("__operators__.getitem",), moves=True),
    "strided_slice": Row(rearranging.strided_slice, (), ("strided_slice",), ("StridedSlice",), moves=True),
    "reshape": Row(
        lambda xp, x, shape: xp.reshape(x, tuple(int(n) for n in shape)),
        ("Reshape",),
        ("reshape",),
        ("Reshape",),
        moves=True,
    ),
    "shape": Row(lambda xp, x, dtype=None: xp.asarray(tuple(x.shape)), (), ("shape", "compat.v1.shape"), ("Shape",)),
    "transpose": Row(
        rearranging.transpose, ("Transpose",), ("transpose", "compat.v1.transpose"), ("Transpose",), moves=True
    ),
    "expand_dims": Row(rearranging.expand_dims, ("ExpandDims",), ("expand_dims",), ("ExpandDims",), moves=True),
    "squeeze": Row(rearranging.squeeze, ("Squeeze",), ("squeeze", "compat.v1.squeeze"), ("Squeeze",), moves=True),
    "concatenate": Row(
        lambda xp, xs, axis=0: xp.concatenate(tuple(xs), axis), ("Concatenate",), ("concat",), moves=True
    ),
    "concatenate_inputs": Row(lambda xp, *xs: xp.concatenate(xs[:-1], int(xs[-1])), node=("ConcatV2",), moves=True),
    "stack": Row(lambda xp, xs, axis=0: xp.stack(tuple(xs), axis), ("Stack",), ("stack",), moves=True),
    "stack_inputs": Row(lambda xp, *xs, axis=0: xp.stack(xs, axis), node=("Pack",), moves=True),
    "split": Row(rearranging.split, ("Split",), moves=True),
    "split_sizes": Row(rearranging.split_sizes, (), ("split",), moves=True),
    "unstack": Row(rearranging.unstack, ("Unstack",), ("unstack",), ("Unpack",), moves=True),
    "flip": Row(
        lambda xp, x, axis=None: xp.flip(x, rearranging.axes_of(x, axis)),
        ("Flip",),
        ("reverse",),
        ("ReverseV2",),
        moves=True,
    ),
    "swapaxes": Row(lambda xp, x, axis1, axis2: xp.swapaxes(x, int(axis1), int(axis2)), ("Swapaxes",), moves=True),
    "moveaxis": Row(lambda xp, x, source, destination: xp.moveaxis(x, source, destination), ("Moveaxis",), moves=True),
    "take": Row(rearranging.take, ("Take",), ("gather", "compat.v1.gather"), moves=True),
    "pad": Row(rearranging.pad, ("Pad",), ("pad", "compat.v1.pad")),
    "repeat": Row(rearranging.repeat, ("Repeat",), ("repeat",), moves=True),
    "roll": Row(rearranging.roll, ("Roll",), ("roll",), moves=True),
    "one_hot": Row(elementwise.one_hot, ("OneHot",), ("one_hot", "compat.v1.one_hot"), ("OneHot",)),
    "tile": Row(
        lambda xp, x, repeats: xp.tile(x, tuple(int(n) for n in repeats)), ("Tile",), ("tile",), ("Tile",), moves=True
    ),
}
"""Canonical name -> formula and names. In Keras 3 a layer may bear an operation's name (Add, Concatenate, …): the
configuration's module tells them apart."""

KERAS3: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.keras3}
TF_FUNCTIONS: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.tf}
NODE_OPS: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.node}
