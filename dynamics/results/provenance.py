"""Where a result comes from: the attributes every Dataset of the package carries."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dynamics.systems import DeclaredProcess, System

__all__ = ["SCHEMA", "SCHEMA_VERSION", "STATUS", "provenance", "status_attributes"]

# version 2: files have checksums
SCHEMA, SCHEMA_VERSION = "dynamics/result", 2

# One code for one fate, in sweeps and single runs alike.
STATUS = {"completed": 0, "event": 1, "diverged": 2, "step_limit": 3, "invalid_state": 4, "step_underflow": 5,
          "settled": 6, "not_settled": 7, "error": 8, "not_run": 9, "events_accumulate": 10, "precision_lost": 11}


@functools.cache
def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for label, distribution in (("dynamics", "leverage-dynamics"), ("numpy", "numpy"), ("scipy", "scipy"),
                                ("sympy", "sympy"), ("xarray", "xarray")):
        try:
            found[label] = version(distribution)
        except PackageNotFoundError:
            found[label] = "not installed"
    return found


def provenance(analysis: str, system: Any = None, *, exactness: str = "numeric", **more: Any) -> dict[str, Any]:
    """Return the attributes of a result.

    Parameters
    ----------
    analysis : str
        Name of the analysis, for example ``"trajectory"``.
    system : System or Process, optional
    exactness : {"exact", "certified", "numeric"}
    **more
        Method, tolerances, seed, status, message, counts, ``wall_time_s``; entries that are None are left out.

    Returns
    -------
    dict
    """
    attributes: dict[str, Any] = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "analysis": analysis}
    if system is not None:
        attributes["system"] = system.name
        if isinstance(system, System):
            attributes["system_sha256"] = system.sha256
            attributes["system_text"] = system.to_toml()
            attributes["parameters"] = system.parameter_values
            attributes["time_kind"] = system.time
            attributes["time_unit"] = system.time_unit
        elif isinstance(system, DeclaredProcess):
            attributes["system_sha256"] = system.sha256
            attributes["system_text"] = system.to_text()
            attributes["parameters"] = system.parameter_values
            attributes["time_kind"] = "discrete" if callable(getattr(system, "step", None)) else "none"
            attributes["time_unit"] = system.time_unit
        else:
            attributes["parameters"] = {name: part.value for name, part in system.parameters.items()}
        attributes["parameter_units"] = {name: part.unit for name, part in system.parameters.items()}
        attributes["source"] = "; ".join(str(reference) for reference in system.references)
    attributes |= {key: value for key, value in more.items() if value is not None}
    attributes |= {"exactness": exactness, "software": dict(_software()),
                   "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    return attributes


def status_attributes(codes: Mapping[str, int] = STATUS) -> dict[str, Any]:
    """CF attributes of a flag variable."""
    return {"units": "1", "flag_values": list(codes.values()), "flag_meanings": " ".join(codes)}
