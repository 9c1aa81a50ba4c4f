"""How names are spelled in formulas, and the order of arguments that have none: shared by all printers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["GREEK", "absolute_of", "ordered", "spelled"]

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "lamda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}


def spelled(name: str, symbols: Mapping[str, str]) -> tuple[str, str, bool]:
    """Return base, subscript, and whether the name is a word that is shown upright as a whole.

    Examples
    --------
    >>> spelled("target_leverage", {"target_leverage": "lambda_star"}), spelled("x1", {}), spelled("price_gap", {})
    (('lambda', 'star', False), ('x', '1', False), ('price_gap', '', True))
    >>> spelled("variance", {"variance": "sigma2"}), spelled("stage2", {})
    (('sigma', '2', False), ('stage2', '', True))
    """
    spelling = symbols.get(name, name)
    base, _, below = spelling.partition("_")
    numbered = re.fullmatch(r"([A-Za-z]+)(\d+)", base)
    if not below and numbered and (len(numbered[1]) == 1 or numbered[1] in GREEK):
        base, below = numbered[1], numbered[2]
    if (len(base) > 1 and base not in GREEK) or (name not in symbols and len(below) > 3):
        return spelling, "", True
    return base, below, False


def ordered(e: Any) -> list[Any]:
    """Arguments of a symmetric function, numbers first, always in the same order."""
    return sorted(e.args, key=lambda a: (not a.is_number if hasattr(a, "is_number") else True, str(a)))


def absolute_of(e: Any) -> Any:
    """Return z where e is max(z, -z)."""
    if len(e.args) == 2 and e.args[0] == -e.args[1]:
        return e.args[1] if e.args[0].could_extract_minus_sign() else e.args[0]
    return None
