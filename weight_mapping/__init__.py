"""lstm-parity's library: Keras recurrent models into PyTorch and back. Importing it imports NumPy and no framework."""

__version__ = "0.1.0"
