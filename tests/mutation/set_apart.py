"""Which deliberate errors are no errors of the port, told by where they are in the code and never by who survived.

Two kinds: another wording of a message or of a source's citation, and an assertion let down. What a message tells
(the values in it, that it is there at all) stays counted."""

from __future__ import annotations

import ast
from textwrap import dedent

Chain = list[ast.AST]
_CITATIONS = ("source", "way_out")
"""Arguments and names that hold prose: where a fact was read, and what a user may do."""


def set_apart(original: str, mutant: str) -> str | None:
    """Why this error in a function's source doesn't count, or None."""
    before, after = (ast.parse(dedent(source)).body[0] for source in (original, mutant))
    chain, old, new = _difference(before, after, [])
    if isinstance(old, ast.Constant) and isinstance(new, ast.Constant) and _texts(old, new) and _prose(chain):
        return "wordings"
    if any(isinstance(node, ast.Assert) for node in (*chain, old)) or (chain and _strict(chain, old, new)):
        return "assertions"
    return None


def _difference(before: ast.AST, after: ast.AST, above: Chain) -> tuple[Chain, ast.AST, ast.AST]:
    """The smallest node that holds all that differs, before and after, and those around it."""
    if type(before) is type(after):
        pairs = [(getattr(before, name, None), getattr(after, name, None)) for name in before._fields]
        flat = [
            pair
            for a, b in pairs
            for pair in (zip(a, b, strict=True) if isinstance(a, list) and len(a) == len(b) else [(a, b)])
        ]
        apart = [(a, b) for a, b in flat if _dump(a) != _dump(b)]
        if len(apart) == 1 and all(isinstance(node, ast.AST) for node in apart[0]):
            return _difference(*apart[0], [*above, before])
    return above, before, after


def _dump(node: object) -> str:
    if isinstance(node, list):
        return str([_dump(n) for n in node])
    return ast.dump(node) if isinstance(node, ast.AST) else repr(node)


def _texts(old: ast.Constant, new: ast.Constant) -> bool:
    return isinstance(old.value, str) and isinstance(new.value, str)


def _prose(chain: Chain) -> bool:
    for node in chain:
        if isinstance(node, ast.Raise) or (isinstance(node, ast.keyword) and node.arg in _CITATIONS):
            return True
        if isinstance(node, ast.Assign) and any("source" in ast.dump(target) for target in node.targets):
            return True
    return False


def _strict(chain: Chain, old: ast.AST, new: ast.AST) -> bool:
    """zip(…, strict=True) without its check."""
    if isinstance(chain[-1], ast.keyword) and chain[-1].arg == "strict":
        return True
    if not (isinstance(old, ast.Call) and isinstance(new, ast.Call)):
        return False
    lost = [k.arg for k in old.keywords if _dump(k) not in map(_dump, new.keywords)]
    return lost == ["strict"] and _dump([old.func, old.args]) == _dump([new.func, new.args])
