"""ONNX: a Portable as a model of ONNX's own operators. Needs the distribution onnx, and nothing else."""

from weight_mapping.onnx.model import save, to_onnx

__all__ = ["save", "to_onnx"]
