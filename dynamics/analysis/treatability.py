"""What each analysis can do with noise, jumps, resets and explicit time: one table, and one refusal for what it cannot.

Nothing of a system is left out in silence. An analysis treats a part, or answers for the equations alone and says so, or
refuses in a sentence that names what does treat it; ``ignore=`` is the explicit way to leave a part out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import System

if TYPE_CHECKING:
    from dynamics.results import Branch

__all__ = ["IGNORABLE", "NOTE", "PARTS", "REFUSES", "TABLE", "TREATS", "Treatment", "drift_note", "treat"]

Model = TypeVar("Model")

TREATS, NOTE, REFUSES = "treats", "note", "refuses"
PARTS = ("noise", "jumps", "resets", "time")
IGNORABLE = ("noise", "jumps", "resets")   # a system without its explicit time would be another model


@dataclass(frozen=True)
class Row:
    """How an analysis deals with each part of a system.

    Attributes
    ----------
    noise, jumps, resets, time : {"treats", "note", "refuses"}
        note: the answer is that of the equations without the part, and where the result has a text it says so. Explicit
        time is refused by the analyses themselves, who know what it would mean.
    resets_by : str
        What does treat resets, where this analysis refuses them.
    """

    noise: str
    jumps: str
    resets: str
    time: str
    resets_by: str = "use integrate for single trajectories with their resets"


_PATHS = "use sweep for final states and measures, integrate for trajectories, which follow resets"
_ONE = "use cascade_threshold, which follows single trajectories with their resets"
_EQUATIONS = Row(NOTE, NOTE, NOTE, REFUSES)          # statements about the equations at one place
_STRUCTURE = replace(_EQUATIONS, time=TREATS)
_FOLLOWED = Row(REFUSES, REFUSES, TREATS, TREATS)    # trajectories of the deterministic model
_LANES = Row(REFUSES, REFUSES, REFUSES, TREATS, _PATHS)
_INVARIANT_SETS = Row(REFUSES, REFUSES, REFUSES, REFUSES)

# Every public analysis and figure of a System. "sweep" itself follows resets; its measures of attractors are entered apart.
TABLE: dict[str, Row] = {
    "apply_shock": Row(TREATS, TREATS, TREATS, TREATS),
    "bifurcation_conditions": _EQUATIONS,
    "bifurcation_diagram": _INVARIANT_SETS,
    "border_collisions": _EQUATIONS,
    "cascade_number": _STRUCTURE,
    "cascade_threshold": _FOLLOWED,
    "certified_fixed_points": _EQUATIONS,
    "characteristic_polynomial": _STRUCTURE,
    "competing_paths": _STRUCTURE,
    "conserved_quantities": _EQUATIONS,
    "continue_curve": _INVARIANT_SETS,
    "continue_cycles": _INVARIANT_SETS,
    "continue_fixed_points": _INVARIANT_SETS,
    "critical_shocks": replace(_LANES, time=REFUSES, resets_by=_ONE),
    "edge_state": _INVARIANT_SETS,
    "exposure": replace(_LANES, time=REFUSES, resets_by=_ONE),
    "extremal_fixed_points": _EQUATIONS,
    "feedback_loops": _STRUCTURE,
    "first_lyapunov_coefficient": _EQUATIONS,
    "fixed_points": _EQUATIONS,
    "integrate": _FOLLOWED,
    "iterate": _FOLLOWED,
    "jacobian": _STRUCTURE,
    "liquidity_shock": replace(_LANES, time=REFUSES, resets_by=_ONE),
    "loop_dominance": _STRUCTURE,
    "lyapunov_exponents": _INVARIANT_SETS,
    "nonsmooth_regimes": _EQUATIONS,
    "normal_form": _EQUATIONS,
    "orbit_ensemble": replace(_LANES, resets_by="use iterate or sweep, which follow resets"),
    "path_ratio": _STRUCTURE,
    "phase_diagram": _LANES,
    "plot_cobweb": _EQUATIONS,
    "plot_cusp": _EQUATIONS,
    "plot_feedback_loops": _STRUCTURE,
    "plot_hysteresis": _EQUATIONS,
    "plot_phase_portrait": _EQUATIONS,
    "region": _EQUATIONS,
    "simulate": Row(TREATS, TREATS, TREATS, TREATS),
    "sliding": _EQUATIONS,
    "stability_conditions": _EQUATIONS,
    "sweep": _FOLLOWED,
    "sweep of attractors": _LANES,
}


@dataclass(frozen=True)
class Treatment(Generic[Model]):
    """A system as an analysis may use it.

    Attributes
    ----------
    system : System or Process
        Without what is ignored.
    ignored : list of str or None
        What the system had of it; None when nothing: the entry ``ignored`` of the attributes of the result.
    """

    system: Model
    ignored: list[str] | None

    def marked(self, branch: Branch) -> Branch:
        """Return the branch with what was ignored among its attributes."""
        if self.ignored:
            branch.table.attrs["ignored"] = self.ignored
        return branch


def treat(system: Model, analysis: str, ignore: str | Iterable[str] = (), *, purpose: str = "") -> Treatment[Model]:
    """Return the system without what is to be ignored, or refuse what the analysis cannot treat.

    Parameters
    ----------
    system : System or Process
        A Process is returned as it is: its step knows what it draws.
    analysis : str
        A name in ``TABLE``.
    ignore : sequence of str
        Parts to leave out: "noise", "jumps", "resets" (assignments of events).
    purpose : str
        What the refusal speaks of; the analysis when empty.

    Raises
    ------
    SpecificationError
        For a part that is neither treated nor ignored, or an unknown word in ``ignore``.

    Examples
    --------
    >>> import dynamics as dy
    >>> noisy = dy.System(name="m", states={"x": 1}, equations={"x": "-x"}, noise={"dW": {"x": "1"}})
    >>> treat(noisy, "integrate", ignore=("noise",)).ignored
    ['noise']
    """
    words = _words(ignore)
    if not isinstance(system, System):
        return Treatment(system, None)
    row, has = TABLE[analysis], _parts(system)
    refused = [part for part in IGNORABLE if has[part] and part not in words and getattr(row, part) == REFUSES]
    if refused:
        raise SpecificationError(_refusal(system, purpose or analysis, row, refused, has))
    ignored = [part for part in IGNORABLE if has[part] and part in words]
    return Treatment(cast(Model, _without(system, ignored)), ignored or None)


def drift_note(system: System, analysis: str) -> str | None:
    """Return what the answer leaves out, in words, or None; only for parts with the verdict "note".

    Examples
    --------
    >>> import dynamics as dy
    >>> noisy = dy.System(name="m", states={"x": 1}, equations={"x": "-x"}, noise={"dW": {"x": "1"}})
    >>> drift_note(noisy, "fixed_points")
    'drift only: of the equations without noise (dW)'
    """
    row, has = TABLE[analysis], _parts(system)
    noted = [part for part in IGNORABLE if has[part] and getattr(row, part) == NOTE]
    if not noted:
        return None
    text = f"of the equations without {_listed([has[part] for part in noted])}"
    return f"drift only: {text}" if noted != ["resets"] else text


def _words(ignore: str | Iterable[str]) -> tuple[str, ...]:
    if not isinstance(ignore, Iterable) or getattr(ignore, "ndim", 1) == 0:
        raise SpecificationError(f"ignore: must be one or several of {', '.join(IGNORABLE)}, not {ignore!r}")
    words = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    for word in words:
        if not isinstance(word, str) or word not in IGNORABLE:
            raise SpecificationError(f"ignore: '{word}' cannot be ignored.{did_you_mean(str(word), IGNORABLE)} "
                                     f"There are {', '.join(IGNORABLE)}")
    return words


def _parts(system: System) -> dict[str, str]:
    """The parts that a system has, in words; an empty text where it has none."""
    sources = ", ".join(system.noise)
    resets = [name for name, event in system.events.items() if event.assign]
    return {"noise": f"noise ({sources})" if sources else "", "jumps": _named("jump", system.jumps),
            "resets": f"{_named('reset', resets)} (assign)" if resets else ""}


def _named(noun: str, names: Iterable[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    if not quoted:
        return ""
    return f"the {noun} {quoted[0]}" if len(quoted) == 1 else f"the {noun}s {_listed(quoted)}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def _refusal(system: System, analysis: str, row: Row, refused: Sequence[str], has: dict[str, str]) -> str:
    random = [part for part in refused if part != "resets"]
    model = "the deterministic model" if random else "the model"
    without = " without resets" if "resets" in refused else ""
    found = _listed([has[part] for part in refused])
    ways = []
    if random:
        ways.append("use simulate for probabilities" if system.time == "continuous" else
                    "write what is drawn as a parameter and use orbit_ensemble with innovations")
    if without:
        ways.append(row.resets_by)
    words = ", ".join(repr(part) for part in refused) + ("," if len(refused) == 1 else "")
    way = "; ".join(ways)
    left = "them" if len(refused) > 1 or has[refused[0]].startswith(("the jumps", "the resets")) else "it"
    return (f"{analysis} follows {model}{without}, and '{system.name}' has {found}. {way[0].upper()}{way[1:]}, "
            f"or say ignore=({words}) to leave {left} out")


def _without(system: System, ignored: Sequence[str]) -> System:
    changes: dict[str, Any] = {part: {} for part in ignored if part != "resets"}
    if "resets" in ignored:
        changes["events"] = {name: replace(event, assign={}) for name, event in system.events.items()}
    return replace(system, **changes) if changes else system
