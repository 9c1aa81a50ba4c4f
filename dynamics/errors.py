"""The exceptions of the package: one family, each also a standard exception, each message a sentence.

A message says what is wrong, where (path, column, caret) and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "ConvergenceError",
    "DataError",
    "DerivationError",
    "DynamicsError",
    "ExpressionError",
    "IntegrationError",
    "MissingExtraError",
    "SpecificationError",
    "UnitsError",
    "did_you_mean",
]


class DynamicsError(Exception):
    """Base of every error raised by this package."""


class SpecificationError(DynamicsError, ValueError):
    """A system, an option or an argument is not well specified.

    Attributes
    ----------
    faults : tuple of str
        Every fault found, each with its place; the message lists them all.
    """

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        self.faults: tuple[str, ...] = tuple(faults) or (message,)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.faults)


class ExpressionError(SpecificationError):
    """A text is not an expression of the model language."""


class UnitsError(SpecificationError):
    """The units of an expression do not fit."""


class _PartialResultError(DynamicsError, RuntimeError):
    """An error that keeps what was computed before it happened, in ``partial``."""

    def __init__(self, message: str, partial: Any = None) -> None:
        self.partial = partial
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.partial)


class DerivationError(_PartialResultError):
    """Something could not be derived symbolically; the message names what does work."""


class IntegrationError(_PartialResultError):
    """A trajectory could not be computed to its end."""


class ConvergenceError(_PartialResultError):
    """An iteration did not converge."""


class DataError(DynamicsError, ValueError):
    """A data file is not what it should be; the message names file, row and column."""


class MissingExtraError(DynamicsError, ImportError):
    """An optional part of the package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed; "
            f"run: python -m pip install 'leverage-dynamics[{extra}]'"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.package, self.extra, self.purpose)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, or an empty text.

    Examples
    --------
    >>> did_you_mean("leverge", ["leverage", "price"])
    " Did you mean 'leverage'?"
    """
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
