"""Vector LLVM IR as text: explicit ``<W x double>`` operations in a fixed order, without fast-math freedom.

Every operation acts on each lane alone and is rounded as IEEE 754 says, and a multiply-add is fused only where ``fma``
asks for it. So a number does not depend on the width of the vectors, on the lane it is in, or on the processor.
Comparisons are ordered: they are false when an operand is nan.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from dynamics.compiled.kernels.values import DOUBLE, FLAG, INTEGER, POINTER, VOID, Block, Operand, Value, Variable

__all__ = ["DOUBLE", "FLAG", "INTEGER", "POINTER", "VOID", "Block", "Builder", "Module", "Operand", "Value", "Variable"]

_ORDERED = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
_SIGNED = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}


class Module:
    """The text of some functions and of the intrinsics that they call.

    Examples
    --------
    >>> module = Module(4)
    >>> build = module.function("twice", {"x": POINTER})
    >>> build.store(build.argument("x"), build.load(build.argument("x")) * 2)
    >>> build.finish()
    >>> "fmul <4 x double>" in module.text()
    True
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._functions: list[Builder] = []
        self._declared: dict[str, str] = {}
        self._tables: dict[str, str] = {}

    def function(self, name: str, arguments: Mapping[str, str], *, returns: str = VOID, internal: bool = False,
                 width: int | None = None) -> Builder:
        """Begin a function; arguments are names and types. Pointers must not overlap. ``width`` replaces the module's."""
        self._functions.append(Builder(self, name, arguments, returns, internal, width))
        return self._functions[-1]

    def declare(self, name: str, returns: str, arguments: Sequence[str]) -> None:
        self._declared[name] = f"declare {returns} @{name}({', '.join(arguments)})"

    def has(self, name: str) -> bool:
        """Whether there is a function of this name."""
        return any(f.name == name for f in self._functions)

    def table(self, name: str, integers: Sequence[int]) -> str:
        """Add constant 64-bit integers to the module; returns the pointer's text."""
        entries = ", ".join(f"i64 {number}" for number in integers)
        self._tables[name] = f"@{name} = private unnamed_addr constant [{len(integers)} x i64] [{entries}], align 64"
        return f"@{name}"

    def text(self) -> str:
        parts = [*self._tables.values(), *self._declared.values(), *(f.text() for f in self._functions)]
        return "\n".join(parts) + "\n"


class Builder:
    """One function under construction.

    Attributes
    ----------
    width : int
        Lanes of a vector.
    doubles, integers, mask : str
        Types of vectors of doubles, of 64-bit integers, of truth values.
    """

    def __init__(self, module: Module, name: str, arguments: Mapping[str, str], returns: str, internal: bool,
                 width: int | None = None) -> None:
        self.module, self.name, self.returns = module, name, returns
        self.width = width or module.width
        self.doubles, self.integers, self.mask = (f"<{self.width} x {t}>" for t in (DOUBLE, INTEGER, FLAG))
        self._arguments = dict(arguments)
        self._internal = internal
        self._allocations: list[str] = []
        self._blocks: dict[str, list[str]] = {"begin": []}
        self._current = "begin"
        self._count = 0

    # ---- text ------------------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Append an instruction that gives no value."""
        self._blocks[self._current].append(f"  {text}")

    def emit(self, text: str, type_: str) -> Value:
        """Append an instruction; its value has the given type."""
        self._count += 1
        self.line(f"%v{self._count} = {text}")
        return Value(self, f"%v{self._count}", type_)

    def text(self) -> str:
        arguments = ", ".join(f"{t}{' noalias' if t == POINTER else ''} %in.{n}" for n, t in self._arguments.items())
        kind = "internal " if self._internal else ""
        body = "\n".join(f"{label}:\n" + "\n".join(lines) for label, lines in self._blocks.items())
        begin = "\n".join(["entry:", *self._allocations, "  br label %begin"])
        return f"define {kind}{self.returns} @{self.name}({arguments}) alignstack(64) {{\n{begin}\n{body}\n}}"

    def finish(self, value: Value | None = None) -> None:
        """Return from the function."""
        self.line(f"ret {value.type} {value.text}" if value else "ret void")

    def argument(self, name: str) -> Value:
        return Value(self, f"%in.{name}", self._arguments[name])

    # ---- constants -------------------------------------------------------------------------------------------------

    def lift(self, value: Operand, type_: str) -> Value:
        """Return a number as a constant of the type; a scalar Value becomes a vector of equal lanes where that is asked."""
        if isinstance(value, Value):
            return self.spread(value) if type_.startswith("<") and not value.type.startswith("<") else value
        scalar = type_.split(" x ")[-1].rstrip(">")
        if scalar == DOUBLE:
            text = _double(float(value))
        elif scalar == FLAG:
            text = "true" if value else "false"
        else:
            text = str(int(value))
        if type_.startswith("<"):
            lanes = int(type_[1:].split(" x ")[0])
            text = "<" + ", ".join([f"{scalar} {text}"] * lanes) + ">"
        return Value(self, text, type_)

    def constant(self, number: float) -> Value:
        """Return a vector of equal doubles."""
        return self.lift(number, self.doubles)

    def integer(self, number: int) -> Value:
        """Return a vector of equal 64-bit integers (bit patterns above the signed range wrap)."""
        return self.lift(number - (1 << 64) if number >= 1 << 63 else number, self.integers)

    def scalar(self, number: float) -> Value:
        return self.lift(number, DOUBLE)

    def index(self, number: int) -> Value:
        return self.lift(number, INTEGER)

    def spread(self, value: Value) -> Value:
        """Return the vector whose lanes all are this scalar."""
        type_ = f"<{self.width} x {value.type}>"
        first = self.emit(f"insertelement {type_} poison, {value.type} {value.text}, i64 0", type_)
        return self.emit(f"shufflevector {type_} {first.text}, {type_} poison, <{self.width} x i32> zeroinitializer", type_)

    def lane_numbers(self) -> Value:
        """Return the integers 0, 1, ..., W - 1."""
        text = "<" + ", ".join(f"i64 {lane}" for lane in range(self.width)) + ">"
        return Value(self, text, self.integers)

    # ---- arithmetic ------------------------------------------------------------------------------------------------

    def _pair(self, a: Operand, b: Operand) -> tuple[Value, Value]:
        first = a.type if isinstance(a, Value) else ""
        second = b.type if isinstance(b, Value) else ""
        type_ = first if first.startswith("<") or not second.startswith("<") else second
        type_ = type_ or second or self.doubles
        return self.lift(a, type_), self.lift(b, type_)

    def binary(self, operation: str, a: Operand, b: Operand) -> Value:
        a, b = self._pair(a, b)
        floating = a.type.endswith(("double", "double>"))
        name = "f" + operation if floating else {"div": "sdiv"}.get(operation, operation)
        return self.emit(f"{name} {a.type} {a.text}, {b.text}", a.type)

    def shift_right_signed(self, a: Value, b: Operand) -> Value:
        """Shift to the right, filling with the sign."""
        return self.binary("ashr", a, b)

    def turned(self, a: Value, places: int) -> Value:
        """Return 64-bit integers with their bits turned to the left, those that leave coming back on the right."""
        name = f"llvm.fshl.v{self.width}i64" if a.type.startswith("<") else "llvm.fshl.i64"
        self.module.declare(name, a.type, [a.type] * 3)
        by = self.lift(places, a.type)
        return self.emit(f"call {a.type} @{name}({a.type} {a.text}, {a.type} {a.text}, {a.type} {by.text})", a.type)

    def compare(self, relation: str, a: Operand, b: Operand) -> Value:
        a, b = self._pair(a, b)
        floating = a.type.endswith(("double", "double>"))
        name = f"fcmp {_ORDERED[relation]}" if floating else f"icmp {_SIGNED[relation]}"
        return self.emit(f"{name} {a.type} {a.text}, {b.text}", self.mask if a.type.startswith("<") else FLAG)

    def select(self, condition: Value, a: Operand, b: Operand) -> Value:
        """Return a where the condition holds, else b, lane by lane."""
        a, b = self._pair(a, b)
        if condition.type == self.mask:
            vector = self.integers if a.type in (INTEGER, self.integers) else self.mask \
                if a.type in (FLAG, self.mask) else self.doubles
            a, b = self.lift(a, vector), self.lift(b, vector)
        return self.emit(f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}", a.type)

    def _intrinsic(self, name: str, *values: Value) -> Value:
        type_ = values[0].type
        suffix = f"v{self.width}f64" if type_.startswith("<") else "f64"
        self.module.declare(f"llvm.{name}.{suffix}", type_, [type_] * len(values))
        arguments = ", ".join(f"{v.type} {v.text}" for v in values)
        return self.emit(f"call {type_} @llvm.{name}.{suffix}({arguments})", type_)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        """Return a*b + c, rounded once."""
        vector = any(isinstance(v, Value) and v.type.startswith("<") for v in (a, b, c)) \
            or not any(isinstance(v, Value) for v in (a, b, c))
        type_ = self.doubles if vector else DOUBLE
        return self._intrinsic("fma", *(self.lift(v, type_) for v in (a, b, c)))

    def sqrt(self, a: Value) -> Value:
        return self._intrinsic("sqrt", a)

    def absolute(self, a: Value) -> Value:
        return self._intrinsic("fabs", a)

    def copysign(self, size: Operand, sign: Value) -> Value:
        return self._intrinsic("copysign", self.lift(size, sign.type), sign)

    def minimum(self, a: Operand, b: Operand) -> Value:
        """Return a where a < b, else b: the second one when either is nan."""
        return self.select(self.compare("<", a, b), a, b)

    def maximum(self, a: Operand, b: Operand) -> Value:
        """Return a where a > b, else b: the second one when either is nan."""
        return self.select(self.compare(">", a, b), a, b)

    # ---- conversions -----------------------------------------------------------------------------------------------

    def _like(self, value: Value, scalar: str) -> str:
        return f"<{self.width} x {scalar}>" if value.type.startswith("<") else scalar

    def bits(self, a: Value) -> Value:
        """Return the bit pattern of doubles as integers."""
        type_ = self._like(a, INTEGER)
        return self.emit(f"bitcast {a.type} {a.text} to {type_}", type_)

    def from_bits(self, a: Value) -> Value:
        """Return the doubles with these bit patterns."""
        type_ = self._like(a, DOUBLE)
        return self.emit(f"bitcast {a.type} {a.text} to {type_}", type_)

    def to_double(self, a: Value) -> Value:
        type_ = self._like(a, DOUBLE)
        return self.emit(f"sitofp {a.type} {a.text} to {type_}", type_)

    def to_integer(self, a: Value) -> Value:
        """Truncate towards zero; the number must fit."""
        type_ = self._like(a, INTEGER)
        return self.emit(f"fptosi {a.type} {a.text} to {type_}", type_)

    def lane(self, vector: Value, number: Operand) -> Value:
        """Return one lane as a scalar."""
        scalar = vector.type.split(" x ")[-1].rstrip(">")
        place = self.lift(number, INTEGER)
        return self.emit(f"extractelement {vector.type} {vector.text}, i64 {place.text}", scalar)

    def any(self, mask: Value) -> Value:
        """Whether any lane is true."""
        return self.emit(f"icmp ne i{self.width} {self._packed(mask)}, 0", FLAG)

    def all(self, mask: Value) -> Value:
        """Whether every lane is true."""
        return self.emit(f"icmp eq i{self.width} {self._packed(mask)}, -1", FLAG)

    def _packed(self, mask: Value) -> str:
        return self.emit(f"bitcast {mask.type} {mask.text} to i{self.width}", f"i{self.width}").text

    # ---- memory ----------------------------------------------------------------------------------------------------

    def at(self, pointer: Value, index: Operand, type_: str = DOUBLE) -> Value:
        """Return the pointer to an element of an array of the type."""
        place = self.lift(index, INTEGER)
        return self.emit(f"getelementptr {type_}, ptr {pointer.text}, i64 {place.text}", POINTER)

    def load(self, pointer: Value, type_: str | None = None) -> Value:
        """Load a vector of doubles, or the given type, from an address aligned to 8 bytes."""
        type_ = type_ or self.doubles
        return self.emit(f"load {type_}, ptr {pointer.text}, align 8", type_)

    def store(self, pointer: Value, value: Value) -> None:
        self.line(f"store {value.type} {value.text}, ptr {pointer.text}, align 8")

    def prefetch(self, pointer: Value, *, write: bool = False) -> None:
        """Ask for the memory at an address, which need not exist, to be brought near."""
        self.module.declare("llvm.prefetch.p0", VOID, [POINTER, *["i32"] * 3])
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer.text}, i32 {int(write)}, i32 3, i32 1)")

    def variable(self, initial: Operand, type_: str | None = None) -> Variable:
        """Return a new variable with its first value; of the type of that value, or a vector of doubles."""
        type_ = type_ or (initial.type if isinstance(initial, Value) else self.doubles)
        self._count += 1
        name = f"%m{self._count}"
        self._allocations.append(f"  {name} = alloca {type_}, align 64")
        made = Variable(self, name, type_)
        made.set(initial)
        return made

    def array(self, count: int) -> Value:
        """Return a pointer to new memory for so many vectors of doubles."""
        self._count += 1
        name = f"%m{self._count}"
        self._allocations.append(f"  {name} = alloca [{max(count, 1)} x {self.doubles}], align 64")
        return Value(self, name, POINTER)

    # ---- control ---------------------------------------------------------------------------------------------------

    def block(self, label: str) -> Block:
        """Return a new block, empty and not yet entered."""
        self._count += 1
        made = Block(f"{label}_{self._count}")
        self._blocks[made.label] = []
        return made

    def enter(self, block: Block) -> None:
        """Append to this block from now on."""
        self._current = block.label

    def branch(self, block: Block) -> None:
        self.line(f"br label %{block.label}")

    def branch_if(self, condition: Value, then: Block, otherwise: Block) -> None:
        self.line(f"br i1 {condition.text}, label %{then.label}, label %{otherwise.label}")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Do what follows only if a scalar condition holds."""
        inside, after = self.block("then"), self.block("after")
        self.branch_if(condition, inside, after)
        self.enter(inside)
        yield
        self.branch(after)
        self.enter(after)

    @contextmanager
    def count(self, start: Operand, stop: Operand, step: int = 1) -> Iterator[Value]:
        """Count a scalar integer from start up to below stop."""
        number, end = self.variable(self.lift(start, INTEGER)), self.lift(stop, INTEGER)
        check, body, after = self.block("check"), self.block("body"), self.block("after")
        self.branch(check)
        self.enter(check)
        self.branch_if(number.get() < end, body, after)
        self.enter(body)
        yield number.get()
        number.set(number.get() + step)
        self.branch(check)
        self.enter(after)

    @contextmanager
    def forever(self) -> Iterator[tuple[Block, Block]]:
        """Repeat; the body branches to one of the two blocks it gets: (again, out)."""
        again, out = self.block("again"), self.block("out")
        self.branch(again)
        self.enter(again)
        yield again, out
        self.branch(again)
        self.enter(out)


def _double(number: float) -> str:
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
