"""The PyTorch side: a Portable as a module, a module as a Portable, and what training in PyTorch as in Keras takes."""

# `model` builds a whole model. `recurrent` is a layer around its cells (`cells`), whose run over time `running` gives
# to PyTorch's own module, to the compiled `kernel`, or to the step loop of `steps` (of images: `conv_lstm`); `fused`
# is a cell's parameters as a run needs them. `plain` has the layers around, with `images` (over `convolution`),
# `normalisation`, `attention` and `noise`; `functions` the activations. The way back: `reading` (a built module's
# numbers), `extract` (any module of PyTorch's own, by `foreign`). `filling` puts a file's numbers into a module of
# the user's, to the `places` that PyTorch keeps them in. `initialise` and `optimizers` do as Keras does. `standalone`
# writes a model as source that needs nothing of this project. `arrays` lies between NumPy and PyTorch.

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
