"""Files of trained models as data: every container is opened by `open_archive`, chosen by its content; nothing in a
file is executed, resolved to a class, or followed to another file."""

from weight_mapping.files.archive import Archive, Stored
from weight_mapping.files.opening import open_archive
from weight_mapping.files.writing import write_keras_zip, write_legacy_h5, write_safetensors, write_v3_weights

__all__ = [
    "Archive",
    "Stored",
    "open_archive",
    "write_keras_zip",
    "write_legacy_h5",
    "write_safetensors",
    "write_v3_weights",
]
