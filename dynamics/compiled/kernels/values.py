"""Numbers, places and blocks of a function under construction in LLVM IR."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from dynamics.compiled.kernels.ir import Builder

__all__ = ["DOUBLE", "FLAG", "INTEGER", "POINTER", "VOID", "Block", "Operand", "Value", "Variable"]

# scalar types; their vector counterparts are attributes of a Builder
DOUBLE, INTEGER, FLAG, POINTER, VOID = "double", "i64", "i1", "ptr", "void"

Operand = Union["Value", float, int]


@dataclass(frozen=True, eq=False)
class Value:
    """A number or a vector of numbers in a function under construction; operators append instructions to it."""

    builder: Builder = field(repr=False)
    text: str
    type: str

    def __add__(self, other: Operand) -> Value:
        return self.builder.binary("add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.builder.binary("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.builder.binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.builder.binary("sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.builder.binary("mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.builder.binary("mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.builder.binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.builder.binary("div", other, self)

    def __neg__(self) -> Value:
        if self.type.endswith(("double", "double>")):
            return self.builder.emit(f"fneg {self.type} {self.text}", self.type)
        return self.builder.binary("sub", 0, self)

    def __and__(self, other: Operand) -> Value:
        return self.builder.binary("and", self, other)

    def __or__(self, other: Operand) -> Value:
        return self.builder.binary("or", self, other)

    def __xor__(self, other: Operand) -> Value:
        return self.builder.binary("xor", self, other)

    def __invert__(self) -> Value:
        return self.builder.binary("xor", self, -1)

    def __lshift__(self, other: Operand) -> Value:
        return self.builder.binary("shl", self, other)

    def __rshift__(self, other: Operand) -> Value:
        """Shift to the right, filling with zeros."""
        return self.builder.binary("lshr", self, other)

    def __lt__(self, other: Operand) -> Value:
        return self.builder.compare("<", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.builder.compare("<=", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.builder.compare(">", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.builder.compare(">=", self, other)

    def equals(self, other: Operand) -> Value:
        """Whether both are equal, lane by lane."""
        return self.builder.compare("==", self, other)

    def differs(self, other: Operand) -> Value:
        """Whether both differ, lane by lane; true for nan, so ``x.differs(x)`` finds nan."""
        return self.builder.compare("!=", self, other)


@dataclass(frozen=True)
class Block:
    """A basic block, by its label."""

    label: str


@dataclass(frozen=True)
class Variable:
    """A place for a value that changes; the optimiser keeps it in a register."""

    builder: Builder = field(repr=False)
    text: str
    type: str

    def get(self) -> Value:
        return self.builder.emit(f"load {self.type}, ptr {self.text}", self.type)

    def set(self, value: Operand) -> None:
        given = self.builder.lift(value, self.type)
        self.builder.line(f"store {self.type} {given.text}, ptr {self.text}")
