"""An activation's row as C++: its formulas, run on expressions in the place of arrays, write themselves down.

Only numbers of the activation reach the text, as hexadecimal literals; its name is looked up, never written.
"""

from __future__ import annotations

import math
from typing import Any

from weight_mapping.activations import Activation


class Expression:
    """A register of the text so far. Every operation on it becomes a line; the same line is never written twice."""

    def __init__(self, lines: dict[str, str], name: str) -> None:
        self.lines, self.name = lines, name

    def new(self, text: str, of: str = "V") -> Expression:
        name = self.lines.setdefault(f"{of}<T> {{}} = {text};", f"v{len(self.lines)}")
        return Expression(self.lines, name)

    def __neg__(self) -> Expression:
        return self.new(f"-{self.name}")

    def __pow__(self, exponent: int) -> Expression:
        assert exponent == 2
        return self.new(f"{self.name} * {self.name}")


def _operator(symbol: str, of: str = "V") -> tuple[Any, Any]:
    def forward(self: Expression, other: Any) -> Expression:
        return self.new(f"{self.name} {symbol} {_text(other)}", of)

    def reverse(self: Expression, other: Any) -> Expression:
        return self.new(f"{_text(other)} {symbol} {self.name}", of)

    return forward, reverse


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    for _prefix, _method in zip(("", "r"), _operator(_symbol), strict=True):
        setattr(Expression, f"__{_prefix}{_name}__", _method)
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&"}.items():
    setattr(Expression, f"__{_name}__", _operator(_symbol, "I")[0])


def _text(value: Any) -> str:
    if isinstance(value, Expression):
        return value.name
    number = float(value)
    return f"T({number.hex()})" if math.isfinite(number) else f"T({'-' if number < 0 else ''}INFINITY)"


def _register(value: Any) -> str:
    return value.name if isinstance(value, Expression) else f"splat<T>({_text(value)})"


class _Functions:
    """The functions of `functions.h` under the names that the rows call."""

    def __getattr__(self, name: str) -> Any:
        return lambda x, *more: x.new(f"{name}<T>({', '.join([x.name, *map(_register, more)])})")

    @staticmethod
    def abs(x: Expression) -> Expression:
        return x.new(f"absolute<T>({x.name})")

    @staticmethod
    def where(condition: Expression, yes: Any, no: Any) -> Expression:
        return condition.new(f"where<T>({condition.name}, {_register(yes)}, {_register(no)})")

    @staticmethod
    def clip(x: Expression, least: float | None, most: float | None) -> Expression:
        for name, bound in (("at_least", least), ("at_most", most)):
            x = x if bound is None else x.new(f"{name}<T>({x.name}, {_text(bound)})")
        return x

    @staticmethod
    def zeros_like(x: Expression) -> Expression:
        return x.new("splat<T>(0)")

    @staticmethod
    def ones_like(x: Expression) -> Expression:
        return x.new("splat<T>(1)")


_LOOP = """template <class T> static void {name}(T* x, {parameter}long n) {{
    for (long i = 0; i < n; i += WIDTH<T>) {{
{lines}
    }}
}}
extern "C" void {name}_float(float* x, {float_parameter}long n) {{ {name}(x, {argument}n); }}
extern "C" void {name}_double(double* x, {double_parameter}long n) {{ {name}(x, {argument}n); }}
"""


def source(of: Activation) -> str:
    """The C++ text of a library with `value_float`, `value_double` (a `Function` of functions.h), `slope_float` and
    `slope_double` (a `Slope`)."""
    return '#include "functions.h"\n' + _loop(of, "value") + _loop(of, "slope")


def _loop(of: Activation, name: str) -> str:
    lines: dict[str, str] = {}
    x = Expression(lines, "").new("load(x + i)")
    stored = {"x": of.function(x, _Functions())}
    if name == "slope":
        stored["derivative"] = of.derivative(x, _Functions())
    text = [line.replace("{}", variable, 1) for line, variable in lines.items()]
    text += [f"store(&{place}[i], {value.name});" for place, value in stored.items()]
    own = {"parameter": "T* derivative, ", "float_parameter": "float* derivative, ",
           "double_parameter": "double* derivative, ", "argument": "derivative, "}  # fmt: skip
    filled = own if name == "slope" else dict.fromkeys(own, "")
    return _LOOP.format(name=name, lines="\n".join(f"        {line}" for line in text), **filled)
