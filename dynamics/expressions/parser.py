"""Text -> SymPy by a whitelist: read with ``ast`` and rebuilt node by node; nothing is ever evaluated as code."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from sympy import Add, And, Eq, Expr, Integer, Mul, Ne, Not, Or, Piecewise, Pow, Rational, S, Symbol, nan, oo, zoo
from sympy.core.relational import Relational

from dynamics.errors import ExpressionError, did_you_mean
from dynamics.expressions.budgets import (
    LARGEST_EXPONENT,
    MODEL,
    MOST_ABSOLUTE,
    MOST_COMPARED,
    MOST_CONDITIONS,
    MOST_ROOT_BITS,
    RESULT,
    bits,
    constant_bits,
    size,
    towers,
)
from dynamics.expressions.functions import FUNCTIONS, LANGUAGE, REDUCTIONS, lag
from dynamics.expressions.names import NAME

__all__ = ["parse"]

_POSITIVE = {"softplus": (1,), "hill": (1, 2), "lag": (1,)}
_ANY_SIZE = ("log", "log1p", "sqrt", "abs", "sign", "min", "max", "ramp", "hill", "lag")
_COMPARING = ("max", "min", "abs", "ramp")
_OURS = ("if", "else", "and", "or", "not", "True", "False", "None")
_SPELLED = {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "²": "**2", "³": "**3", "≤": "<=", "≥": ">="}
_REFUSED = {
    ast.BoolOp: "'and' and 'or' are not part of the language; nest conditions as a if c else b",
    ast.Attribute: "there are no attributes ('.') in expressions",
    ast.Subscript: "there is no indexing with '[...]'; indexed quantities are written by name",
    ast.Lambda: "there are no lambda functions in expressions",
    ast.List: "there are no lists in expressions", ast.Tuple: "there are no tuples in expressions",
    ast.Set: "there are no sets in expressions", ast.Dict: "there are no mappings in expressions",
    ast.ListComp: "there are no comprehensions in expressions; use total(...)",
    ast.SetComp: "there are no comprehensions in expressions",
    ast.DictComp: "there are no comprehensions in expressions",
    ast.GeneratorExp: "there are no comprehensions in expressions; use total(...)",
    ast.NamedExpr: "nothing can be assigned inside an expression", ast.JoinedStr: "there are no texts in expressions",
    ast.Starred: "'*' cannot unpack arguments here",
}
_OPERATORS: dict[type, str] = {ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|",
                               ast.LShift: "<<", ast.RShift: ">>"}


def parse(text: str, names: Iterable[str] | Mapping[str, Symbol], *, where: str = "", indices: Iterable[str] = (),
          conditions: bool = False) -> Any:
    """Return the SymPy expression a text stands for, with exact rationals and plain symbols.

    Parameters
    ----------
    text : str
    names : iterable of str, or mapping of str to Symbol
        The names that may occur.
    where : str
        Path of the text, for messages.
    indices : iterable of str
        Declared indices, for ``total`` and ``product``.
    conditions : bool
        For reading results back: also read ``and``, ``or``, ``not``, ``==``, ``!=``, ``True``, ``False``; keep a number
        before a sum as it is written, not multiplied out; and allow the length that derived expressions have.

    Returns
    -------
    sympy.Expr (or Boolean)

    Raises
    ------
    ExpressionError
        With the place of the fault under the text.

    Examples
    --------
    >>> parse("0.5*(target*u - 1)", ["target", "u"])
    target*u/2 - 1/2
    """
    if not isinstance(text, str):
        raise ExpressionError(f"{where or 'expression'}: must be a text, not {type(text).__name__}")
    known = dict(names) if isinstance(names, Mapping) else {name: Symbol(name) for name in names}
    reader = _Reader(text, known, where or "expression", tuple(indices), conditions)
    return reader.read()


class _Reader:
    def __init__(self, text: str, names: dict[str, Symbol], where: str, indices: tuple[str, ...],
                 conditions: bool) -> None:
        self.text, self.names, self.where = text, names, where
        self.indices, self.conditions = indices, conditions
        self.budget = RESULT if conditions else MODEL
        self.absolute = 0
        self.compared = 0

    def fail(self, message: str, column: int = 0, width: int = 1) -> NoReturn:
        place = f"{self.where}, column {column + 1}: {message}"
        start = 0 if len(self.text) <= 160 else max(column - 80, 0)
        shown = "".join(c if c.isprintable() else " " for c in self.text[start:start + 160])
        if not shown.strip():
            raise ExpressionError(place)
        raise ExpressionError(f"{place}\n    {shown}\n    {' ' * (column - start)}{'^' * max(width, 1)}")

    def fail_at(self, node: ast.AST, message: str) -> NoReturn:
        column = getattr(node, "col_offset", 0) - self.shift
        end = getattr(node, "end_col_offset", None)
        self.fail(message, max(column, 0), min((end - self.shift if end else column + 1) - column, 60))

    def read(self) -> Any:
        text = self.text
        self.shift = 0
        if not text.strip():
            self.fail("the expression is empty")
        if len(text) > self.budget.characters:
            self.fail(f"{len(text)} characters; an expression has at most {self.budget.characters}. "
                      "Split it into definitions")
        for position, character in enumerate(text):
            if not character.isascii() or (not character.isprintable() and character not in "\n\t "):
                known = _SPELLED.get(character)
                advice = f"; write {known}" if known else "; expressions are plain ASCII text"
                self.fail(f"the character {character!r} is not allowed{advice}", position)
        depth = 0
        for position, character in enumerate(text):
            depth += (character in "([{") - (character in ")]}")
            if depth < 0:
                self.fail(f"this '{character}' closes no bracket", position)
            if depth > self.budget.depth:
                self.fail(f"brackets are nested more than {self.budget.depth} deep; "
                          "split the expression into definitions", position)
        caret = text.find("^")
        if caret >= 0:
            self.fail("'^' is no operator here; write ** for powers", caret)
        for character in "#\\":
            if character in text:
                self.fail(f"'{character}' is not allowed in an expression", text.find(character))
        # brackets let an expression run over several lines
        self.source, self.shift = "(" + text.replace("\n", " ").replace("\t", " ") + "\n)", 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(self.source, mode="eval")
        except SyntaxError as error:
            column = max(min((error.offset or 1) - 2, len(text) - 1), 0) if (error.lineno or 1) == 1 else len(text) - 1
            self.misread(str(error.msg), column)
        except (ValueError, RecursionError, MemoryError):
            self.fail("this is not an expression")
        if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > self.budget.nodes:
            self.fail(f"more than {self.budget.nodes} numbers, names and operations; "
                      "split the expression into definitions")
        if sum(isinstance(node, ast.Compare) for node in ast.walk(tree)) > MOST_CONDITIONS:
            self.fail(f"more than {MOST_CONDITIONS} comparisons; a condition of that many parts is too costly to read")
        try:
            result = self.build(tree.body, 0)
        except RecursionError:
            self.fail("nested too deeply; split the expression into definitions")
        if isinstance(result, (Relational, And, Or, Not)) or result in (S.true, S.false):
            if not self.conditions:
                self.fail("this is a condition, not a number; write a if condition else b")
        elif any(bits(number) > self.budget.bits for number in result.atoms(Rational)):
            self.fail(f"a number in this expression has more than {self.budget.bits} bits")
        return result

    def misread(self, message: str, column: int) -> NoReturn:
        """Say in words of the language why Python's grammar does not accept a text."""
        for word in NAME.finditer(self.text):
            if keyword.iskeyword(word[0]) and word[0] not in _OURS:
                self.fail(f"'{word[0]}' is a word of Python, not a name; a quantity could be called '{word[0]}_'",
                          word.start(), len(word[0]))
        if assigned := re.search(r"(?<![<>=!])=(?!=)", self.text):
            self.fail("'=' is not allowed in an expression; write only what stands to the right of it",
                      assigned.start())
        if "literal" in message and (joined := re.search(r"(?<![A-Za-z0-9_.])[0-9.]+(?=[A-Za-z_])", self.text)):
            self.fail("a name cannot begin with a digit; write * between a number and a name", joined.start(),
                      len(joined[0]) + 1)
        self.fail(f"this is not an expression ({message})", column)

    # ---- nodes -----------------------------------------------------------------------------------------------------

    def build(self, node: ast.expr, depth: int) -> Any:
        if depth > 3 * self.budget.depth:
            self.fail_at(node, "nested too deeply; split the expression into definitions")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.fail_at(node, _REFUSED.get(type(node), f"'{type(node).__name__}' is not part of the language"))
        return method(node, depth + 1)

    def number(self, node: ast.expr, depth: int) -> Expr:
        """Build a node that must be a number, not a condition."""
        value = self.build(node, depth)
        if not isinstance(value, Expr):
            self.fail_at(node, "a condition stands where a number is needed; write (a if condition else b)")
        return value

    def checked(self, node: ast.expr, value: Any) -> Any:
        """Refuse what is not real and finite, and numbers beyond the budget."""
        if value in (zoo, nan, oo, -oo) or value.has(zoo, nan, oo, S.ImaginaryUnit):
            self.fail_at(node, "this has no finite real value")
        if isinstance(value, Rational):
            if bits(value) > self.budget.bits:
                self.fail_at(node, f"this number has more than {self.budget.bits} bits")
        elif not value.free_symbols:
            # SymPy's roots and logarithms of negative constants are complex without showing an I
            try:
                approximate = value.evalf(8)
            except ZeroDivisionError:
                # a primitive that is kept whole, such as hill(-1/2, 1/2, 3), hides its quotient from SymPy
                approximate = zoo
            if approximate.has(S.ImaginaryUnit, zoo, nan, oo, -oo):
                self.fail_at(node, "this has no finite real value")
        return value

    def _constant(self, node: ast.Constant, depth: int) -> Any:
        if isinstance(node.value, bool):
            if self.conditions:
                return S.true if node.value else S.false
            self.fail_at(node, "True and False are not numbers; write 1 or 0")
        if node.value is None or isinstance(node.value, (str, bytes)) or node.value is Ellipsis:
            self.fail_at(node, "only numbers and declared names can stand here")
        if isinstance(node.value, complex):
            self.fail_at(node, "complex numbers are not part of the language")
        written = self.source[node.col_offset:node.end_col_offset]
        if not re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", written):
            self.fail_at(node, "numbers are written with decimal digits, as in 1000, 0.25 or 1e-3")
        if isinstance(node.value, int):
            return self.checked(node, Integer(node.value))
        mantissa, _, exponent = written.lower().partition("e")
        if (exponent and abs(int(exponent)) > 150) or node.value in (float("inf"), float("-inf")):
            self.fail_at(node, "this number is too large or too small for the language")
        whole, _, decimals = mantissa.partition(".")
        shift = int(exponent or 0) - len(decimals)
        value = Integer(int((whole + decimals) or "0"))
        scale = Integer(10) ** abs(shift)
        return self.checked(node, value * scale if shift >= 0 else Rational(value, scale))

    def _name(self, node: ast.Name, depth: int) -> Any:
        if (symbol := self.names.get(node.id)) is None:
            self.undeclared(node)
        return symbol

    def undeclared(self, node: ast.Name) -> NoReturn:
        if node.id in LANGUAGE or node.id in REDUCTIONS:
            self.fail_at(node, f"'{node.id}' is a function; write {node.id}(...)")
        if node.id in self.indices:
            self.fail_at(node, f"'{node.id}' is an index; it is only used in total(expression, {node.id})")
        extra = " Write 4*atan(1) for pi." if node.id == "pi" else ""
        self.fail_at(node, f"'{node.id}' is not a declared name.{did_you_mean(node.id, self.names)}{extra}")

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Any:
        if isinstance(node.op, ast.Not) and self.conditions:
            return Not(self.build(node.operand, depth))
        if isinstance(node.op, (ast.Not, ast.Invert)):
            self.fail_at(node, "'not' and '~' are not part of the language")
        value = self.number(node.operand, depth)
        return self.times(S.NegativeOne, value) if isinstance(node.op, ast.USub) else value

    def times(self, left: Any, right: Any) -> Any:
        """Multiply; SymPy multiplies a number into a sum, which would not give back the factored forms of a result."""
        if self.conditions:
            (a, first), (b, second) = left.as_coeff_Mul(), right.as_coeff_Mul()
            if (first == 1 and second.is_Add) or (second == 1 and first.is_Add):
                number, sum_ = a * b, second if first == 1 else first
                return sum_ if number == 1 else number if number == 0 else Mul(number, sum_, evaluate=False)
        return Mul(left, right)

    def _binop(self, node: ast.BinOp, depth: int) -> Any:
        if type(node.op) in _OPERATORS:
            self.fail_at(node, f"the operator '{_OPERATORS[type(node.op)]}' is not part of the language")
        if isinstance(node.op, ast.Pow):
            return self.power(node, self.number(node.left, depth), self.number(node.right, depth))
        # a long sum or product is one chain to the left; followed in a loop it costs no depth
        kinds = (ast.Add, ast.Sub) if isinstance(node.op, (ast.Add, ast.Sub)) else (ast.Mult, ast.Div)
        chain: list[ast.BinOp] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp) and isinstance(first.op, kinds):
            chain.append(first)
            first = first.left
        value = self.number(first, depth)
        if kinds[0] is ast.Add:
            terms = [value]
            for link in reversed(chain):
                term = self.number(link.right, depth)
                terms.append(term if isinstance(link.op, ast.Add) else self.times(S.NegativeOne, term))
            return self.checked(node, Add(*terms))
        for link in reversed(chain):
            factor = self.number(link.right, depth)
            if isinstance(link.op, ast.Div):
                if factor == 0:
                    self.fail_at(link, "division by zero")
                factor = Pow(factor, -1)
            value = self.checked(link, self.times(value, factor))
        return value

    def power(self, node: ast.BinOp, base: Any, exponent: Any) -> Any:
        if isinstance(exponent, Rational):
            if abs(exponent) > LARGEST_EXPONENT:
                self.fail_at(node, f"the exponent is larger than {LARGEST_EXPONENT}")
            if constant_bits(base) * abs(exponent) > self.budget.bits:
                self.fail_at(node, f"this power has more than {self.budget.bits} bits")
            if not exponent.is_Integer:
                self.rooted(node, base)
        elif not exponent.free_symbols and not base.free_symbols and base not in (0, 1):
            approximate = exponent.evalf(8)
            if not approximate.is_real or abs(approximate) > LARGEST_EXPONENT:
                self.fail_at(node, f"the exponent is larger than {LARGEST_EXPONENT}")
        if base == 0 and exponent.is_number and not exponent.is_positive:
            self.fail_at(node, "zero to this power has no finite value")
        return self.checked(node, Pow(base, exponent))

    def rooted(self, node: ast.expr, base: Any) -> None:
        """Refuse a root of a number whose prime factors SymPy would look for too long."""
        if constant_bits(base) > MOST_ROOT_BITS:
            self.fail_at(node, f"a root of a number of more than {MOST_ROOT_BITS} bits is too costly")

    def _call(self, node: ast.Call, depth: int) -> Any:
        if not isinstance(node.func, ast.Name):
            self.fail_at(node, "only the functions of the language can be called")
        name = node.func.id
        if node.keywords:
            self.fail_at(node, f"{name}: arguments have no names here; write them in order")
        available = {**LANGUAGE, **(REDUCTIONS if self.indices else {})}
        if name not in available:
            if name in self.names:
                self.fail_at(node, f"'{name}' is a quantity, not a function; write '{name}*(...)' to multiply")
            if name in REDUCTIONS:
                self.fail_at(node, f"'{name}' is for indexed quantities, and this system declares no indices")
            self.fail_at(node.func, f"'{name}' is not a function of the language.{did_you_mean(name, available)}"
                                    f" Functions are {', '.join(FUNCTIONS)}")
        function, fewest, most = available[name]
        if not fewest <= len(node.args) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            plural = "" if wanted == "1" else "s"
            self.fail_at(node, f"{name}(...) takes {wanted} argument{plural}, not {len(node.args)}")
        if name == "total":
            index = node.args[1]
            if not isinstance(index, ast.Name) or index.id not in self.indices:
                self.fail_at(index, f"the second argument of total is a declared index ({', '.join(self.indices)})")
            return function(self.number(node.args[0], depth), Symbol(index.id))
        self.absolute += name == "abs"
        if self.absolute > MOST_ABSOLUTE:
            self.fail_at(node, f"abs(...) is nested more than {MOST_ABSOLUTE} deep; define a part of it by name")
        arguments = [self.number(argument, depth) for argument in node.args]
        self.absolute -= name == "abs"
        for place in _POSITIVE.get(name, ()):
            if place < len(arguments) and arguments[place].is_number and not arguments[place].is_positive:
                self.fail_at(node.args[place], f"this argument of {name}(...) must be positive")
        if function is lag:
            stages = arguments[2]
            if not (isinstance(stages, Integer) and 1 <= stages <= 24):
                self.fail_at(node.args[2], "the third argument of lag is a whole number of stages from 1 to 24")
        if name == "sign" and arguments[0].has(Piecewise):
            self.fail_at(node, "sign(...) cannot contain 'if' or sign(...); give that part a name in the definitions")
        for argument, written in zip(arguments, node.args, strict=True):
            self.affordable(name, written, argument)
        if name in _COMPARING:
            self.comparable(node, arguments)
        if name == "sqrt":
            self.rooted(node, arguments[0])
        return self.checked(node, function(*arguments))

    def comparable(self, node: ast.Call, arguments: list[Any]) -> None:
        """Refuse what SymPy would compare for minutes: each argument of max and min with every other."""
        others = max(len(arguments) - 1, 1)
        self.compared += others * sum(size(argument) for argument in arguments)
        if self.compared > MOST_COMPARED:
            self.fail_at(node, "the arguments of max, min, abs and ramp are too long to be compared with each other; give "
                               "parts of them names in the definitions")

    def affordable(self, name: str, node: ast.expr, argument: Any) -> None:
        """Numbers that SymPy would fold at great cost, as in exp(exp(exp(9))) or sin(10**100)."""
        if argument.free_symbols or (argument.is_Rational and (abs(argument) <= 10**6 or name in _ANY_SIZE)):
            return
        if argument.is_Rational or towers(argument) > 2 or abs(argument.evalf(8)) > 10**6:
            self.fail_at(node, "the argument of a function is too large a number")

    def _ifexp(self, node: ast.IfExp, depth: int) -> Any:
        condition = self.build(node.test, depth)
        if isinstance(condition, Expr):
            self.fail_at(node.test, "the condition of 'if' is a comparison such as a < b")
        yes, no = self.number(node.body, depth), self.number(node.orelse, depth)
        # an else-if is one more case of the same Piecewise, so that text and expression correspond
        return Piecewise((yes, condition), *(no.args if isinstance(no, Piecewise) else [(no, True)]))

    def _boolop(self, node: ast.BoolOp, depth: int) -> Any:
        if not self.conditions:
            self.fail_at(node, _REFUSED[ast.BoolOp])
        parts = [self.build(value, depth) for value in node.values]
        return And(*parts) if isinstance(node.op, ast.And) else Or(*parts)

    def _compare(self, node: ast.Compare, depth: int) -> Any:
        if len(node.ops) != 1:
            self.fail_at(node, "write one comparison at a time (a < b), not a chain")
        left, right = self.number(node.left, depth), self.number(node.comparators[0], depth)
        operator = type(node.ops[0])
        if operator in (ast.Eq, ast.NotEq):
            if not self.conditions:
                self.fail_at(node, "'==' of real numbers never holds in a simulation; use <, <=, > or >=")
            return Eq(left, right) if operator is ast.Eq else Ne(left, right)
        build = {ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b,
                 ast.GtE: lambda a, b: a >= b}.get(operator)
        if build is None:
            self.fail_at(node, "only <, <=, > and >= compare numbers")
        if left.has(Piecewise) or right.has(Piecewise):
            self.fail_at(node, "a comparison cannot contain 'if' or sign(...); give that part a name")
        if not (left.free_symbols or right.free_symbols) and max(towers(left), towers(right)) > 2:
            self.fail_at(node, "this comparison of numbers is too costly")
        return build(left, right)
