"""Files of trained models as data: every container is opened by `open_archive`, chosen by its content; nothing in a
file is executed, resolved to a class, or followed to another file."""

from weight_mapping.files.archive import Archive, Stored
from weight_mapping.files.opening import open_archive

__all__ = ["Archive", "Stored", "open_archive"]
