"""An activation's row as C++ or Triton: its formulas, run on expressions in the place of arrays, write themselves down.

Only numbers of the activation reach the text, exactly; its name is looked up, never written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.activations import Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How one writes a `line` that names the value of `text` ({of}: V for numbers, I for conditions), a `call`, a
    number, and `everywhere`: that number in every lane. `own`: functions that it has under another name."""

    line: str
    call: str
    number: Callable[[float], str]
    everywhere: str
    own: Mapping[str, str] = field(default_factory=dict)


def _cpp_number(value: float) -> str:
    return f"T({value.hex() if math.isfinite(value) else '-INFINITY' if value < 0 else 'INFINITY'})"


CPP = Language(
    line="{of}<T> {{}} = {text};", call="{name}<T>({arguments})", number=_cpp_number, everywhere="splat<T>({})"
)
TRITON = Language(
    line="{{}} = {text}", call="{name}({arguments})",
    number=lambda value: repr(value) if math.isfinite(value) else f"float('{value}')", everywhere="splat(x, {})",
    own={"absolute": "tl.abs", **{name: f"tl.{name}" for name in ("where", "exp", "log", "sqrt", "erf")}},
)  # fmt: skip


class Expression:
    """A register of the text so far. Every operation on it becomes a line; the same line is never written twice."""

    def __init__(self, lines: dict[str, str], name: str, language: Language) -> None:
        self.lines, self.name, self.language = lines, name, language

    def new(self, text: str, of: str = "V") -> Expression:
        name = self.lines.setdefault(self.language.line.format(of=of, text=text), f"v{len(self.lines)}")
        return Expression(self.lines, name, self.language)

    def call(self, name: str, *arguments: str) -> Expression:
        name = self.language.own.get(name, name)
        return self.new(self.language.call.format(name=name, arguments=", ".join(arguments)))

    def text(self, value: Any) -> str:
        """Another expression, or a number that stands beside one."""
        return value.name if isinstance(value, Expression) else self.language.number(float(value))

    def register(self, value: Any) -> str:
        """Another expression, or a number where a register must stand."""
        return value.name if isinstance(value, Expression) else self.language.everywhere.format(self.text(value))

    def __neg__(self) -> Expression:
        return self.new(f"-{self.name}")

    def __pow__(self, exponent: int) -> Expression:
        assert exponent == 2
        return self.new(f"{self.name} * {self.name}")


def _operator(symbol: str, of: str = "V") -> tuple[Any, Any]:
    def forward(self: Expression, other: Any) -> Expression:
        return self.new(f"{self.name} {symbol} {self.text(other)}", of)

    def reverse(self: Expression, other: Any) -> Expression:
        return self.new(f"{self.text(other)} {symbol} {self.name}", of)

    return forward, reverse


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    for _prefix, _method in zip(("", "r"), _operator(_symbol), strict=True):
        setattr(Expression, f"__{_prefix}{_name}__", _method)
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&"}.items():
    setattr(Expression, f"__{_name}__", _operator(_symbol, "I")[0])


class _Functions:
    """The functions of `functions.h` and of `gpu/functions.py` under the names that the rows call."""

    def __getattr__(self, name: str) -> Any:
        return lambda x, *more: x.call(name, x.name, *map(x.register, more))

    @staticmethod
    def abs(x: Expression) -> Expression:
        return x.call("absolute", x.name)

    @staticmethod
    def where(condition: Expression, yes: Any, no: Any) -> Expression:
        return condition.call("where", condition.name, condition.register(yes), condition.register(no))

    @staticmethod
    def clip(x: Expression, least: float | None, most: float | None) -> Expression:
        for name, bound in (("at_least", least), ("at_most", most)):
            x = x if bound is None else x.call(name, x.name, x.text(bound))
        return x

    @staticmethod
    def zeros_like(x: Expression) -> Expression:
        return x.new(x.register(0))

    @staticmethod
    def ones_like(x: Expression) -> Expression:
        return x.new(x.register(1))


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
    x = Expression(lines, "", CPP).new("load(x + i)")
    stored = {"x": of.function(x, _Functions())}
    if name == "slope":
        stored["derivative"] = of.derivative(x, _Functions())
    text = [*_written(lines), *(f"store(&{place}[i], {value.name});" for place, value in stored.items())]
    own = {"parameter": "T* derivative, ", "float_parameter": "float* derivative, ",
           "double_parameter": "double* derivative, ", "argument": "derivative, "}  # fmt: skip
    filled = own if name == "slope" else dict.fromkeys(own, "")
    return _LOOP.format(name=name, lines="\n".join(f"        {line}" for line in text), **filled)


def triton_source(of: Activation) -> str:
    """The text of two Triton functions, `value(x)` and `slope(x)`, in which those of `gpu/functions.py` are known."""
    found = []
    for name, formula in (("value", of.function), ("slope", of.derivative)):
        lines: dict[str, str] = {}
        result = formula(Expression(lines, "x", TRITON), _Functions())
        text = [*_written(lines), f"return {result.name}"]
        found.append("\n".join(["@triton.jit", f"def {name}(x):", *(f"    {line}" for line in text)]))
    return "\n\n\n".join(found) + "\n"


def _written(lines: dict[str, str]) -> list[str]:
    return [line.replace("{}", variable, 1) for line, variable in lines.items()]
