"""ONNX: a Portable as a model of ONNX's own operators. Needs the distribution onnx, and nothing else."""

# `model` walks the model and writes its `graph`. A value in it is a `tensor`, which acts like an array, so that
# formulas that are written once (activations, operations, masks) write nodes; `functions` is their namespace.
# `recurrent` states a layer, by ONNX's own `operators` where they can compute the cell, else as a loop, `scan`.
# `plain` has the layers around, with `images` (over `convolution`), `normalisation` and `attention`; `activations`
# applies one.

from weight_mapping.onnx.model import save, to_onnx

__all__ = ["save", "to_onnx"]
