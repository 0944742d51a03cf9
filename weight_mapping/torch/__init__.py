"""The PyTorch side: a Portable as a module, a module as a Portable."""

from weight_mapping.torch.cells import KerasCell, KerasConvLSTM, KerasGRU, KerasLSTM, KerasRNN
from weight_mapping.torch.extract import extract
from weight_mapping.torch.filling import Filled, fill
from weight_mapping.torch.initialise import init_like_keras_
from weight_mapping.torch.model import PortedModel, build, layer_name, module_name
from weight_mapping.torch.optimizers import optimizer_like_keras
from weight_mapping.torch.reading import gradients, weights
from weight_mapping.torch.recurrent import BidirectionalLayer, RecurrentLayer, build_layer, preset_dropout
from weight_mapping.torch.running import step
from weight_mapping.torch.steps import DropoutMasks

__all__ = [
    "BidirectionalLayer",
    "DropoutMasks",
    "Filled",
    "KerasCell",
    "KerasConvLSTM",
    "KerasGRU",
    "KerasLSTM",
    "KerasRNN",
    "PortedModel",
    "RecurrentLayer",
    "build",
    "build_layer",
    "extract",
    "fill",
    "gradients",
    "init_like_keras_",
    "layer_name",
    "module_name",
    "optimizer_like_keras",
    "preset_dropout",
    "step",
    "weights",
]
