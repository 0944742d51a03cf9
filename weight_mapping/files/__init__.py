"""Files of trained models as data: nothing in a file is executed, resolved to a class, or followed to another file.

`opening` tells by its content which container a path is and has it read into an `archive` (headers and configuration;
arrays only when they are asked for). A file a container: `keras_h5`, `keras_zip`, `checkpoint` and `savedmodel` (both
over `protobuf` and `object_graph`), `tfjs`, `safetensors`, `torch_file`. They read through `guard`, the one way to a
file's bytes, and `hdf5` (structure), `hdf5_data` (arrays), `zipped` and `strict_json`; `hdf5_checksum` and `crc32c`
check what is stored with a checksum. `finding` tells which models lie in a folder. `writing` writes for Keras and
PyTorch, through `atomic`: whole or not at all."""

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
