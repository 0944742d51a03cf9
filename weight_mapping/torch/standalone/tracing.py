"""Tensors that write down what is done to them: the library's own formulas, run on these, become source text.

A `Traced` carries the text of an expression and, in its shadow, a tensor that a run gives there; the shadow tells the
rank, and branches are taken as it says. Sizes stay symbolic: `x.shape[1]` is written, not the number it had.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import resolve_name

from weight_mapping.errors import Unrepresentable

DTYPE = torch.float64
"""What shadows compute in; in the text it is the model's own dtype."""
_WORDS = re.compile(r"[\w,.> -]+", re.ASCII)
"""What a string in the text may hold: a word, or the equation of an einsum."""
_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
    "and": "&", "or": "|", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip


class Traced:
    """An expression and the tensor that it gave. `atom`: no parentheses are needed around the text."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str, shadow: Tensor, atom: bool = True) -> None:
        self.text, self.shadow, self.atom = text, shadow, atom

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        _types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = str(resolve_name(function)).replace("torch.nn.functional.", "functional.")
        return _recorded(name.replace("torch.functional.", "torch."), function, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.shadow, name)
        if not callable(found):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            return _recorded(f"{self.operand}.{name}", getattr(torch.Tensor, name), args, kwargs, self)

        return method

    @property
    def operand(self) -> str:
        return self.text if self.atom else f"({self.text})"

    @property
    def shape(self) -> tuple[Size, ...]:
        return tuple(Size(n, f"{self.operand}.shape[{axis}]") for axis, n in enumerate(self.shadow.shape))

    def __getitem__(self, key: Any) -> Traced:
        keys = key if isinstance(key, tuple) else (key,)
        inside = ", ".join(_key(k) for k in keys)
        return Traced(f"{self.operand}[{inside}]", self.shadow[_shadow(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        raise Unrepresentable("a tensor that is written to in parts can't be stated in one expression")

    def __len__(self) -> int:
        raise Unrepresentable("a computation that depends on the number of samples")

    def __neg__(self) -> Traced:
        return Traced(f"-{self.operand}", -self.shadow, atom=False)

    def __invert__(self) -> Traced:
        return Traced(f"~{self.operand}", ~self.shadow, atom=False)


def _recorded(
    name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], owner: Traced | None = None
) -> Any:
    written = ", ".join([*(render(a) for a in args), *(f"{k}={render(v)}" for k, v in kwargs.items())])
    before = () if owner is None else (owner.shadow,)
    result = function(*before, *_shadow(list(args)), **{k: _shadow(v) for k, v in kwargs.items()})
    text = f"{name}({written})"
    if isinstance(result, tuple | list):
        return [Traced(f"{text}[{n}]", part) for n, part in enumerate(result)]
    return Traced(text, result) if isinstance(result, Tensor) else result


def _shadow(value: Any) -> Any:
    match value:
        case Traced():
            return value.shadow
        case list() | tuple():
            return type(value)(_shadow(v) for v in value)
        case _:
            return value


def _operator(name: str, symbol: str) -> tuple[Callable[..., Traced], Callable[..., Traced]]:
    import operator

    compute = getattr(operator, f"{name}_" if name in ("and", "or") else name)

    def forward(self: Traced, other: Any) -> Traced:
        text = f"{self.operand} {symbol} {render(other, operand=True)}"
        return Traced(text, compute(self.shadow, _shadow(other)), atom=False)

    def reverse(self: Traced, other: Any) -> Traced:
        text = f"{render(other, operand=True)} {symbol} {self.operand}"
        return Traced(text, compute(_shadow(other), self.shadow), atom=False)

    return forward, reverse


for _name, _symbol in _OPERATORS.items():
    _forward, _reverse = _operator(_name, _symbol)
    setattr(Traced, f"__{_name}__", _forward)
    if _name not in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Traced, f"__r{_name}__", _reverse)


class Size(int):
    """A size of a traced tensor: a number when it is computed with, its text when it is written."""

    text: str

    def __new__(cls, value: int, text: str) -> Size:
        made = super().__new__(cls, value)
        made.text = text
        return made

    def __floordiv__(self, other: int) -> int:
        return Size(int(self) // int(other), f"({self.text} // {render(other)})")

    def __mul__(self, other: int) -> int:
        return Size(int(self) * int(other), f"({self.text} * {render(other)})")


def render(value: Any, operand: bool = False) -> str:
    """The value as source text: traced expressions, numbers, closed words; nothing else can be written."""
    match value:
        case Traced():
            return value.operand if operand else value.text
        case Size():
            return value.text
        case torch.dtype():
            return "self.dtype" if value == DTYPE else str(value)
        case bool() | None | int():
            return repr(value)
        case float():
            return _number(value)
        case str() if _WORDS.fullmatch(value):
            return repr(value)
        case slice():
            return _key(value)
        case torch.Size() | tuple():
            return f"({', '.join(render(v) for v in value)}{',' if len(value) == 1 else ''})"
        case list():
            return f"[{', '.join(render(v) for v in value)}]"
        case Tensor() if value.is_floating_point():
            return f"torch.tensor({render(value.tolist())}, dtype=self.dtype)"
    raise Unrepresentable("a value that has no place in source text", found=type(value).__name__)


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value) if value >= 0 else f"({value!r})"
    return "torch.nan" if math.isnan(value) else "torch.inf" if value > 0 else "-torch.inf"


def _key(value: Any) -> str:
    if isinstance(value, slice):
        start, stop, step = ("" if v is None else render(v) for v in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if value is Ellipsis else render(value)
