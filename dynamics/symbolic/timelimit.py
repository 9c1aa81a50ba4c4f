"""Symbolic steps in a child process that can be stopped: SymPy offers no way to interrupt a computation gone long."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sympy import Expr, preorder_traversal

from dynamics.errors import DerivationError
from dynamics.symbolic.budgets import BudgetError

__all__ = ["size_estimate", "with_time_limit"]

_CHILD = "from dynamics.symbolic.timelimit import _serve; _serve()"


_serving = False  # in a child process, whose own limits hold for all that it calls


def with_time_limit(function: Callable[..., Any], *arguments: Any, seconds: float, memory: int | None = None) -> Any:
    """Call a function in a child process and stop it when the time is over, or the memory used up.

    Parameters
    ----------
    function : callable
        At the top level of an importable module.
    *arguments
        Picklable.
    seconds : float
        Wall time, the start of the child (about half a second, most of it importing SymPy) included.
    memory : int, optional
        Bytes of address space, where the platform can limit it (Windows cannot); None: no limit.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    DerivationError
        If time or memory is used up, the child died, or function or arguments cannot be sent to it.
    Exception
        Whatever the function raised.

    Notes
    -----
    The child is a fresh interpreter that imports the function's module and never the caller's ``__main__``. So this
    works in notebooks, in tests and in scripts with or without ``if __name__ == "__main__"``, but not for a function
    defined in the script or notebook itself. Ctrl-C stops the child and goes on as KeyboardInterrupt.

    Examples
    --------
    >>> import math
    >>> with_time_limit(math.factorial, 5, seconds=60)
    120
    """
    if _serving:
        return function(*arguments)
    if getattr(function, "__module__", None) == "__main__":
        raise DerivationError(
            f"{getattr(function, '__name__', function)!s} is defined in the running script or notebook; a child "
            "process can only import functions of modules. Move it to a module, or call it without a time limit."
        )
    if not sys.executable:
        raise DerivationError("There is no Python executable to start a child process with; call without a time limit.")
    try:
        payload = pickle.dumps((function, arguments, memory))
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        raise DerivationError(f"The computation cannot be sent to a child process: {error}.") from error
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
    # a session or group of its own: Ctrl-C reaches this process only, which then stops the child
    separate: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        separate = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **separate,
    )
    with child:
        try:
            output, errors = child.communicate(payload, timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            raise BudgetError(
                f"The symbolic computation did not finish within {seconds:g} s and was stopped. "
                "Give numbers for some parameters, allow more time, or use the numeric route."
            ) from None
        except BaseException:
            child.kill()
            raise
    try:
        succeeded, value = pickle.loads(output)
    except Exception as error:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise BudgetError(f"The child process of the symbolic computation failed: {last[0]}.") from error
    if succeeded:
        return value
    if isinstance(value, MemoryError):
        size = "there is" if memory is None else f"{memory / 1024**3:.2g} GiB"
        raise BudgetError(f"The symbolic computation needs more memory than {size} and was stopped. "
                          "Give numbers for some parameters, or use the numeric route.")
    raise value


def _serve() -> None:
    """In the child: read a call from standard input, write its outcome to standard output."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # what the function prints must not mix with the answer
    sys.stdout = sys.stderr
    global _serving
    _serving = True
    function, arguments, memory = pickle.load(sys.stdin.buffer)
    _limit(memory)
    outcome: tuple[bool, Any]
    try:
        outcome = (True, function(*arguments))
    except Exception as error:
        outcome = (False, error)
    try:
        answer = pickle.dumps(outcome)
        pickle.loads(answer)
    except Exception as error:
        answer = pickle.dumps(
            (False, DerivationError(f"The outcome cannot be sent back ({error!r}): {outcome[1]!s:.200}"))
        )
    with channel:
        channel.write(answer)


def _limit(memory: int | None) -> None:
    """Limit the address space of this process, where the platform has such limits."""
    if memory is None:
        return
    try:
        import resource
    except ImportError:
        return
    _, hardest = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, hardest))


def size_estimate(expressions: Iterable[Expr]) -> int:
    """Return the number of nodes of expressions: a cheap measure of the work that lies ahead.

    Parameters
    ----------
    expressions : iterable of Expr

    Returns
    -------
    int

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("x")
    >>> size_estimate([x + 1, x * (x + 2)])
    8
    """
    return sum(1 for expression in expressions for _ in preorder_traversal(expression))
