"""Definitions copied out of this package's modules as text, with all that they need, for a file that stands alone."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache

_OURS = "weight_mapping"


class Bundle:
    """The definitions and imports gathered so far; a definition comes after those that it names."""

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}
        self.imports: set[tuple[str, str]] = set()

    def add(self, module: str, name: str) -> str:
        """Copy `name` of `module`, once, with everything that its source names; gives the name."""
        if name in self.definitions:
            return name
        source = _module(module)
        node = source.definitions[name]
        for used in dict.fromkeys(_names(node)):
            if used in source.definitions and used != name:
                self.add(module, used)
            elif used in source.imports:
                origin = source.imports[used]
                if origin.startswith(_OURS):
                    self.add(origin, used)
                else:
                    self.imports.add((origin, used))
        self.definitions[name] = source.text(node)
        return name

    def import_lines(self) -> list[str]:
        """The imports as isort would have them, the standard library's before PyTorch's."""
        lines: list[str] = []
        for of_torch in (False, True):
            own = sorted(pair for pair in self.imports if ((pair[0] or pair[1]).split(".")[0] == "torch") == of_torch)
            lines += [f"import {name}" for origin, name in own if not origin]
            origins = dict.fromkeys(origin for origin, _ in own if origin)
            lines += [f"from {origin} import {', '.join(n for o, n in own if o == origin)}" for origin in origins]
            lines.append("")
        return lines[:-1]


class _Module:
    """A module's source by top-level definition, and what its imports bind: name -> the module that it comes from, ""
    for a module itself."""

    def __init__(self, name: str) -> None:
        self.source = inspect.getsource(importlib.import_module(name))
        self.definitions: dict[str, ast.stmt] = {}
        self.imports: dict[str, str] = {}
        for node in ast.parse(self.source).body:
            if isinstance(node, ast.Import):
                self.imports.update({a.name: "" for a in node.names})
            elif isinstance(node, ast.ImportFrom):
                self.imports.update({a.name: node.module or "" for a in node.names})
            else:
                self.definitions.update(dict.fromkeys(_bound(node), node))

    def text(self, node: ast.stmt) -> str:
        return (ast.get_source_segment(self.source, node) or "").replace("  # fmt: skip", "")


_module = cache(_Module)


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (t.id for t in targets if isinstance(t, ast.Name))


def _names(node: ast.AST) -> Iterator[str]:
    return (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
