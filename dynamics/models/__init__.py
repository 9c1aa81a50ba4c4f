"""Models: one file is one model, its file name is its name; ``system(*, option=default)`` makes it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import not_checking

__all__ = ["load", "names"]


def names() -> tuple[str, ...]:
    """Return the names of the models in the package.

    Examples
    --------
    >>> import dynamics as dy
    >>> "deleveraging" in dy.models.names()
    True
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load(name: str, **options: Any) -> Any:
    """load(name): make a packaged model.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    **options
        Options of the model's ``system`` function (not parameters; see ``System.with_parameters`` for those).

    Returns
    -------
    System or Process

    Raises
    ------
    SpecificationError
        If there is no such model or option.

    Examples
    --------
    >>> import dynamics as dy
    >>> dy.models.load("deleveraging", margin_call="hill").parameter_values["steepness"]
    8.0
    """
    if not isinstance(name, str) or name not in names():
        raise SpecificationError(
            f"there is no model '{name}'.{did_you_mean(name, names())} There are {', '.join(names())}")
    make = importlib.import_module(f"{__name__}.{name}").system
    known = list(inspect.signature(make).parameters)
    unknown = [option for option in options if option not in known]
    if unknown:
        hint = did_you_mean(unknown[0], known)
        # Units of packaged models are checked by the tests, so that loading one stays light.
        with not_checking():
            is_parameter = unknown[0] in make().parameters
        raise SpecificationError(
            f"the model '{name}' has no option '{unknown[0]}'.{hint}"
            + (" It is a parameter: use load(...).with_parameters(...)." if is_parameter
               else f" Options are {', '.join(known) or 'none'}."))
    with not_checking():
        return make(**options)
