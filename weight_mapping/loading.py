"""A file into a Portable: open, understand, check every shape, and only then read the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from weight_mapping.addresses import locate
from weight_mapping.addresses.found import Found, settle
from weight_mapping.drafting.open_choices import refuse_open
from weight_mapping.errors import Unconfigured, shown
from weight_mapping.expectations import expectations
from weight_mapping.files import open_archive
from weight_mapping.files.archive import Archive
from weight_mapping.files.guard import reading
from weight_mapping.keras_config import Parsed, parse
from weight_mapping.layers_only import layers_only as only_recurrent
from weight_mapping.spec import Custom, Leaf, with_leaves
from weight_mapping.spec import Path as LeafPath
from weight_mapping.weights import LeafWeights, Portable, Source
from weight_mapping.widths import with_input_shapes


def load(
    path: str | Path, config: str | Path | None = None, *, layers_only: bool = False, verify: bool = False,
    keep_optimizer: bool = False, max_bytes: int = 4 << 30,
) -> Portable:  # fmt: skip
    """The model in a file or folder, in neutral words and canonical weights.

    `config`: a JSON file, or a .keras or .h5 file, that holds the configuration of a weights-only file. `layers_only`:
    the recurrent layers alone, also of weights without a configuration, where they are told by names and shapes.
    `verify`: run the proof again that a port's safetensors file carries. Raises PortingError (Unsupported, DamagedFile,
    UnsafeFile, WeightsMismatch) that names the layer, what was found, what was expected and the way out. Nothing of the
    file is executed; layers that only their author has become `Custom`."""
    with reading(shown(Path(path).name)):
        archive = open_archive(path, config, keep_optimizer=keep_optimizer, max_bytes=max_bytes)
        portable = _portable(archive, layers_only, keep_optimizer)
        if verify:
            from weight_mapping.proving import prove_again

            prove_again(archive, portable)
        return only_recurrent(portable) if layers_only else portable


def _portable(archive: Archive, layers_only: bool, keep_optimizer: bool) -> Portable:
    if "spec" in archive.metadata and archive.container == "safetensors":
        from weight_mapping.exchange import from_archive

        return from_archive(archive)
    if layers_only and archive.config is None:
        from weight_mapping.drafting.assumed import assumptions, draft

        drafted = draft(archive)
        assumed = assumptions(archive, drafted)
        portable = bind(understand(drafted), drafted, keep_optimizer=keep_optimizer)
        source = replace(
            portable.source, config=None, keras_version=archive.keras_version,
            resolved=(*assumed, *portable.source.resolved),
        )  # fmt: skip
        return replace(portable, source=source)
    return bind(understand(archive), archive, keep_optimizer=keep_optimizer)


def understand(archive: Archive) -> Parsed:
    """The archive's configuration in neutral words; PortingError where it holds none."""
    if archive.config is None:
        raise Unconfigured(
            "weights without a configuration",
            where=str(archive.path),
            found=archive.container,
            expected="the model's configuration beside them",
            way_out="Pass config= (the command: --config) with the model's JSON, .keras or .h5 file; `lstm-parity "
            "draft` writes the JSON as far as names and shapes tell it. Or pass layers_only=True (--layers-only) for "
            "the recurrent layers alone.",
        )
    refuse_open({**archive.config, "keras_version": archive.keras_version})
    return parse(archive.config, archive.keras_version, archive.backend)


def bind(parsed: Parsed, archive: Archive, *, keep_optimizer: bool) -> Portable:
    """The understood model with the archive's weights. Every header is checked before the first array is read."""
    found = locate(parsed, list(expectations(parsed)), archive)
    settled: dict[LeafPath, Leaf] = {}
    for one, headers in found:
        if not isinstance(one.leaf, Custom):
            settled[one.path] = settle(one, headers)  # type: ignore[assignment]
    weights: dict[LeafPath, LeafWeights] = {}
    origins: dict[LeafPath, tuple[str, ...]] = {}
    for one, headers in found:
        names = one.names or tuple(h.name for h in headers)
        weights[one.path] = one.take({name: archive.read(header) for name, header in zip(names, headers, strict=True)})
        origins[one.path] = tuple(header.name for header in headers)
    source = Source(
        container=archive.container,
        path=str(archive.path),
        sha256=archive.sha256,
        keras_version=archive.keras_version,
        backend=archive.backend,
        config=archive.config,
        resolved=(*parsed.resolved, *_left(found, archive)),
        origins=origins,
        optimizer=_optimizer(archive) if keep_optimizer else None,
    )
    spec = with_input_shapes(with_leaves(parsed.spec, settled), weights)
    return Portable(spec=spec, weights=weights, source=source)


def _left(found: Found, archive: Archive) -> list[str]:
    """One sentence where the file holds numbers that the configuration has no place for: it may be another model's."""
    taken = {header.path for _, headers in found for header in headers}
    left = [shown(one.name) for one in archive.stored() if one.path not in taken and one.dtype.kind == "f"]
    if not left:
        return []
    names = ", ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
    return [f"the configuration has no place for these arrays of the file: {names}"]


def _optimizer(archive: Archive) -> Mapping[str, Any]:
    return {name: archive.read(stored) for name, stored in archive.optimizer.items()}
