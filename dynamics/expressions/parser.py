"""Text -> SymPy by a whitelist: the text is read with ``ast`` and rebuilt node by node; nothing is ever evaluated as code."""

from __future__ import annotations

import ast
import functools
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from sympy import Add, And, Eq, Expr, Integer, Mul, Ne, Not, Or, Piecewise, Pow, Rational, S, Symbol, nan, oo, zoo
from sympy.core.relational import Relational

from dynamics.errors import ExpressionError, did_you_mean
from dynamics.expressions.functions import FUNCTIONS, LANGUAGE, REDUCTIONS, lag

__all__ = ["check_name", "parse"]

LONGEST_TEXT, MOST_NODES, DEEPEST, MOST_BITS, LARGEST_EXPONENT = 2000, 500, 50, 512, 1000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_REFUSED = {
    ast.BoolOp: "'and' and 'or' are not part of the language; nest conditions as a if c else b",
    ast.Attribute: "there are no attributes ('.') in expressions",
    ast.Subscript: "there is no indexing with '[...]'; indexed quantities are written by name",
    ast.Lambda: "there are no lambda functions in expressions",
    ast.List: "there are no lists in expressions", ast.Tuple: "there are no tuples in expressions",
    ast.Set: "there are no sets in expressions", ast.Dict: "there are no mappings in expressions",
    ast.ListComp: "there are no comprehensions in expressions; use total(...)",
    ast.SetComp: "there are no comprehensions in expressions", ast.DictComp: "there are no comprehensions in expressions",
    ast.GeneratorExp: "there are no comprehensions in expressions; use total(...)",
    ast.NamedExpr: "nothing can be assigned inside an expression", ast.JoinedStr: "there are no texts in expressions",
    ast.Starred: "'*' cannot unpack arguments here",
}
_OPERATORS: dict[type, str] = {ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|",
                               ast.LShift: "<<", ast.RShift: ">>"}


def check_name(name: Any, where: str) -> None:
    """Raise ExpressionError unless ``name`` is a name of the model language.

    Examples
    --------
    >>> check_name("price_impact", "parameters")
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ExpressionError(f"{where}: {name!r} is not a name; names are letters, digits and '_', beginning with a letter")
    if keyword.iskeyword(name):
        raise ExpressionError(f"{where}: '{name}' is a word of Python; write '{name}_'")
    if name in LANGUAGE or name in REDUCTIONS:
        raise ExpressionError(f"{where}: '{name}' is a function of the language; choose another name")


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
        Also read conditions: ``and``, ``or``, ``not``, ``==``, ``!=``, ``True``, ``False``.

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
    def __init__(self, text: str, names: dict[str, Symbol], where: str, indices: tuple[str, ...], conditions: bool) -> None:
        self.text, self.names, self.where = text, names, where
        self.indices, self.conditions = indices, conditions

    def fail(self, message: str, column: int = 0, width: int = 1) -> NoReturn:
        place = f"{self.where}, column {column + 1}: {message}"
        if "\n" in self.text or len(self.text) > 200 or not self.text.isprintable():
            raise ExpressionError(place)
        raise ExpressionError(f"{place}\n    {self.text}\n    {' ' * column}{'^' * max(width, 1)}")

    def fail_at(self, node: ast.AST, message: str) -> NoReturn:
        column = getattr(node, "col_offset", 0) - self.shift
        end = getattr(node, "end_col_offset", None)
        self.fail(message, max(column, 0), min((end - self.shift if end else column + 1) - column, 60))

    def read(self) -> Any:
        text = self.text
        self.shift = 0
        if not text.strip():
            self.fail("the expression is empty")
        if len(text) > LONGEST_TEXT:
            self.fail(f"{len(text)} characters; an expression has at most {LONGEST_TEXT}. Split it into definitions")
        for position, character in enumerate(text):
            if not character.isascii() or (not character.isprintable() and character not in "\n\t "):
                self.fail(f"the character {character!r} is not allowed; expressions are plain ASCII text", position)
        depth = 0
        for position, character in enumerate(text):
            depth += (character in "([{") - (character in ")]}")
            if depth > DEEPEST:
                self.fail(f"brackets are nested more than {DEEPEST} deep; split the expression into definitions", position)
        caret = text.find("^")
        if caret >= 0:
            self.fail("'^' is no operator here; write ** for powers", caret)
        comment = text.find("#")
        if comment >= 0:
            self.fail("'#' is not allowed in an expression", comment)
        # brackets let an expression run over several lines
        source, self.shift = "(" + text.strip("\n").replace("\n", " ").replace("\t", " ") + "\n)", 1
        try:
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source, mode="eval")
        except SyntaxError as error:
            column = max(min((error.offset or 1) - 2, len(text) - 1), 0) if (error.lineno or 1) == 1 else len(text) - 1
            self.fail(f"this is not an expression ({error.msg})", column)
        except (ValueError, RecursionError, MemoryError):
            self.fail("this is not an expression")
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            self.fail(f"more than {MOST_NODES} terms; split the expression into definitions")
        try:
            result = self.build(tree.body, 0)
        except RecursionError:
            self.fail("nested too deeply; split the expression into definitions")
        if isinstance(result, (Relational, And, Or, Not)) or result in (S.true, S.false):
            if not self.conditions:
                self.fail("this is a condition, not a number; write a if condition else b")
            return result
        return result

    # ---- nodes -----------------------------------------------------------------------------------------------------

    def build(self, node: ast.expr, depth: int) -> Any:
        if depth > 3 * DEEPEST:
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
        if isinstance(value, Rational) and max(abs(value.p).bit_length(), value.q.bit_length()) > MOST_BITS:
            self.fail_at(node, f"this number has more than {MOST_BITS} bits")
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
        written = (ast.get_source_segment("(" + self.text.strip("\n").replace("\n", " ").replace("\t", " ") + "\n)", node)
                   or "").replace("_", "")
        if isinstance(node.value, int):
            return self.checked(node, Integer(node.value))
        mantissa, _, exponent = written.lower().partition("e")
        if exponent and abs(int(exponent)) > 150 or node.value in (float("inf"), float("-inf")):
            self.fail_at(node, "this number is too large or too small for the language")
        whole, _, decimals = mantissa.partition(".")
        shift = int(exponent or 0) - len(decimals)
        value = Integer(int((whole + decimals) or "0"))
        return self.checked(node, value * Integer(10) ** shift if shift >= 0 else Rational(value, Integer(10) ** -shift))

    def _name(self, node: ast.Name, depth: int) -> Any:
        if node.id in self.names:
            return self.names[node.id]
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
        return -value if isinstance(node.op, ast.USub) else value

    def _binop(self, node: ast.BinOp, depth: int) -> Any:
        if type(node.op) in _OPERATORS:
            self.fail_at(node, f"the operator '{_OPERATORS[type(node.op)]}' is not part of the language")
        left, right = self.number(node.left, depth), self.number(node.right, depth)
        if isinstance(node.op, ast.Add):
            return self.checked(node, Add(left, right))
        if isinstance(node.op, ast.Sub):
            return self.checked(node, Add(left, -right))
        if isinstance(node.op, ast.Mult):
            return self.checked(node, Mul(left, right))
        if isinstance(node.op, ast.Div):
            if right == 0:
                self.fail_at(node, "division by zero")
            return self.checked(node, Mul(left, Pow(right, -1)))
        return self.power(node, left, right)

    def power(self, node: ast.BinOp, base: Any, exponent: Any) -> Any:
        if isinstance(exponent, Rational):
            if abs(exponent) > LARGEST_EXPONENT or exponent.q > LARGEST_EXPONENT:
                self.fail_at(node, f"the exponent is larger than {LARGEST_EXPONENT}")
            bits = sum(max(abs(n.p).bit_length(), n.q.bit_length()) for n in base.atoms(Rational)) if not base.free_symbols \
                else max((max(abs(n.p).bit_length(), n.q.bit_length()) for n in base.atoms(Rational)), default=0)
            if bits > 1 and bits * abs(exponent) > MOST_BITS and not (base.is_Rational and abs(base) == 1):
                self.fail_at(node, f"this power has more than {MOST_BITS} bits")
        elif not exponent.free_symbols and not base.free_symbols and base not in (0, 1):
            approximate = exponent.evalf(8)
            if not approximate.is_real or abs(approximate) > LARGEST_EXPONENT:
                self.fail_at(node, f"the exponent is larger than {LARGEST_EXPONENT}")
        if base == 0 and exponent.is_number and not exponent.is_positive:
            self.fail_at(node, "zero to this power has no finite value")
        return self.checked(node, Pow(base, exponent))

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
            self.fail_at(node, f"{name}(...) takes {wanted} argument{'s' if wanted != '1' else ''}, not {len(node.args)}")
        if name == "total":
            index = node.args[1]
            if not isinstance(index, ast.Name) or index.id not in self.indices:
                self.fail_at(index, f"the second argument of total is a declared index ({', '.join(self.indices)})")
            return function(self.number(node.args[0], depth), Symbol(index.id))
        arguments = [self.number(argument, depth) for argument in node.args]
        if function is lag:
            stages = arguments[2]
            if not (isinstance(stages, Integer) and 1 <= stages <= 24):
                self.fail_at(node.args[2], "the third argument of lag is a whole number of stages from 1 to 24")
        if name == "sign" and arguments[0].has(Piecewise):
            self.fail_at(node, "sign(...) cannot contain 'if' or sign(...); give that part a name in the definitions")
        for argument, written in zip(arguments, node.args, strict=True):
            self.affordable(written, argument)
        return self.checked(node, function(*arguments))

    def affordable(self, node: ast.expr, argument: Any) -> None:
        """Numbers that SymPy would fold at great cost, as in exp(exp(exp(9))) or sin(10**100)."""
        if argument.free_symbols or isinstance(argument, Rational) and abs(argument) <= 10**6:
            return
        if argument.is_Rational or _towers(argument) > 2 or abs(argument.evalf(8)) > 10**6:
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
            self.fail_at(node, "a comparison cannot contain 'if' or sign(...); give that part a name in the definitions")
        if not (left.free_symbols or right.free_symbols) and max(_towers(left), _towers(right)) > 2:
            self.fail_at(node, "this comparison of numbers is too costly")
        return build(left, right)


@functools.cache
def _towers(expression: Expr) -> int:
    """Nesting depth of functions and non-rational powers."""
    inner = max((_towers(argument) for argument in expression.args), default=0)
    return inner + (1 if expression.is_Function or (expression.is_Pow and not expression.exp.is_Rational) else 0)
