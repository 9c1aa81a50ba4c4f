"""Names of the model language. They become arguments of generated functions, so nothing else may pass for one."""

from __future__ import annotations

import keyword
import re
from typing import Any

from dynamics.errors import ExpressionError
from dynamics.expressions.functions import LANGUAGE, REDUCTIONS

__all__ = ["NAME", "check_name"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_name(name: Any, where: str) -> None:
    """Raise ExpressionError unless ``name`` is a name of the model language.

    Parameters
    ----------
    name : str
        Letters, digits and underscores, beginning with a letter; neither a word of Python nor a function.
    where : str
        What is being named, for the message.

    Raises
    ------
    ExpressionError
        Saying what the name could be instead.

    Examples
    --------
    >>> check_name("price_impact", "parameters")
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ExpressionError(f"{where}: {name!r} is not a name; names are letters, digits and '_', "
                              "beginning with a letter")
    if keyword.iskeyword(name):
        raise ExpressionError(f"{where}: '{name}' is a word of Python; write '{name}_'")
    if name in LANGUAGE or name in REDUCTIONS:
        raise ExpressionError(f"{where}: '{name}' is a function of the language; choose another name")
