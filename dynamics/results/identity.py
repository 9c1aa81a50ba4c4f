"""Whether two results come from the same computation, and in words what differs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

__all__ = ["differences", "identifying"]

LISTED = 6
IDENTIFYING = ("analysis", "system", "system_sha256", "system_text", "parameters", "options")


def identifying(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those attributes of a result that every run of the same computation has: not its time, not the software."""
    return {name: attributes[name] for name in IDENTIFYING if name in attributes}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between the attributes of a stored result and those of a call, each as "name: a there, b here".

    Parameters
    ----------
    before, now : mapping
        Attributes of results: ``system``, ``system_sha256``, ``system_text``, ``parameters``, ``options``.

    Returns
    -------
    list of str
        Empty when both mean the same computation.
    """
    return _system(before, now) + _options(before.get("options") or {}, now.get("options") or {})


def _system(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if before.get("system") != now.get("system"):
        return [f"system: '{before.get('system')}' there, '{now.get('system')}' here"]
    there, here = before.get("parameters") or {}, now.get("parameters") or {}
    found = _changed("parameter ", there, here)
    if not found and before.get("system_sha256") != now.get("system_sha256"):
        lines = itertools.zip_longest(str(before.get("system_text", "")).splitlines(),
                                      str(now.get("system_text", "")).splitlines(), fillvalue="(nothing)")
        a, b = next(((a, b) for a, b in lines if a != b), ("another text", "this one"))
        found = [f"the text of the system: {a} there, {b} here"]
    return found


def _options(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = []
    for name in sorted({*before, *now}):
        a, b = before.get(name), now.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _changed(f"{name}.", a, b)
            if name == "axes" and a == b and list(a) != list(b):
                found.append(f"order of {name}: {', '.join(a)} there, {', '.join(b)} here")
        elif a != b:
            found.append(f"{name}: {_short(a)} there, {_short(b)} here")
    return found


def _changed(prefix: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [n for n in dict.fromkeys((*before, *now)) if before.get(n) != now.get(n)]
    shown = [f"{prefix}{n}: {_short(before.get(n))} there, {_short(now.get(n))} here" for n in names[:LISTED]]
    return shown + ([f"and {len(names) - LISTED} more"] if len(names) > LISTED else [])


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
