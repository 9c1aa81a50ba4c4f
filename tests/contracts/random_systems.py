"""Random systems of the whole model language, with conditions that stand on their border by construction.

A structure is small (up to four states) and bounded, so that its trajectories stay where two methods can be compared.
Conditions with a jump look at earlier states only; so no path slides along a border, unless ``feedback`` says that one may.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

RELATIONS = ("<=", "<", ">=", ">")
LEVELS = ("0.2", "0.57", "1", "0.25", "-0.3", "1/3")
DURATION = 3.0
LANES = 5


@dataclass
class RandomSystem:
    """What is handed to ``dynamics.System``, and what it is run with.

    Attributes
    ----------
    number : int
        It is made from this number alone.
    parts : dict
        Keywords of ``System``: everything as text and numbers.
    starts : list of dict
        State of each lane before the shock.
    values : list of dict
        Parameters of each lane.
    shock : (str, float) or None
    borders : list of str
        How conditions stand on their border.
    feedback : bool
        Whether a state may decide a jump of its own rate.
    """

    number: int
    parts: dict
    starts: list
    values: list
    shock: tuple[str, float] | None = None
    borders: list = field(default_factory=list)
    feedback: bool = False


def random_system(number: int, lanes: int = LANES) -> RandomSystem:
    """Return the system of this number; its equations do not depend on how many lanes are wanted."""
    return _Maker(number, lanes).made()


class _Maker:
    def __init__(self, number: int, lanes: int) -> None:
        self.number, self.lanes = number, lanes
        self.dice = random.Random(number)
        self.borders: list[str] = []
        self.parameters = {"a": 0.3, "b": 0.8, "m": 0.2, "n": 0.0, "k": 2.0}
        self.definitions: dict[str, str] = {}
        self.states: dict[str, float] = {}
        self.equations: dict[str, str] = {}
        self.earlier: list[str] = []
        self.feedback = self.dice.random() < 0.1

    def made(self) -> RandomSystem:
        dice = self.dice
        for name in dice.choice((("x",), ("x", "y"), ("x", "y"), ("x", "y", "z"))):
            self._state(name)
        if dice.random() < 0.5:
            self._resting_state()
        if dice.random() < 0.15:
            self._lag()
        for name in [n for n in self.states if n in ("y", "z")] or ["x"]:
            self._jump(name)
        parts = {"name": f"random {self.number}", "states": self.states, "parameters": self.parameters,
                 "definitions": self.definitions, "equations": self.equations, "events": self._events()}
        shock = self._shock(parts) if dice.random() < 0.4 else None
        return RandomSystem(self.number, parts, self._starts(), self._values(), shock, self.borders, self.feedback)

    # ---- smooth and continuous parts -----------------------------------------------------------------------------------

    def _level(self) -> str:
        return self.dice.choice((*LEVELS, "a", "b", "m"))

    def _atom(self) -> str:
        return self.dice.choice((*self.states, *self.states, "a", "b", "m", "time", self.dice.choice(LEVELS)))

    def _term(self, depth: int) -> str:
        """A bounded term, continuous in the states."""
        dice = self.dice
        if depth == 0:
            return self._atom()
        one = self._term(depth - 1)
        if not any(name in one for name in "xyz"):
            one = f"{one} + {dice.choice(list(self.states))}"
        kind = dice.randrange(20)
        if kind < 8:
            other = self._term(depth - 1)
            return dice.choice((f"max({one}, {other})", f"min({one}, {other})", f"min(1, max({one}, {other}))",
                                f"max({one}, {other}, {self._level()})", f"({one} - {other})/2", f"0.5*({one} + {other})",
                                f"tanh({one}*({other}))", f"({one})*({other})/(1 + ({one})**2 + ({other})**2)"))
        return (f"ramp({one} - {self._level()})", f"abs({one})", f"tanh({one})", f"sin({one})", f"cos({one} + a)",
                f"atan({one})", f"logistic({one})", f"erf({one})", f"exp(-({one})**2)", f"log1p(abs({one}))",
                f"expm1(tanh({one}))", f"sqrt(1 + ({one})**2) - 1", f"log(1 + ({one})**2)", f"softplus(tanh({one}), 0.3)",
                f"hill(abs({one}), b, {dice.choice((2, 3))})", f"hill(abs({one}) + 0.1, b, 1.5)")[dice.randrange(16)]

    def _state(self, name: str) -> None:
        dice = self.dice
        self.states[name] = dice.choice((0.0, 0.5, 0.2, 0.57, 1.0, -0.3, 1.5, 0.25))
        rate = dice.choice(("0.5", "1", "2", "b", "3"))
        drive = self._term(dice.choice((1, 1, 2)))
        turn = f" + {dice.choice(('0.7', '1.1', '-0.9'))}*{dice.choice(list(self.states))}" if dice.random() < 0.4 else ""
        self.equations[name] = f"{drive} - {rate}*{name}" + (f" + tanh({turn[3:]})" if turn else "")
        self.earlier.append(name)

    # ---- conditions ----------------------------------------------------------------------------------------------------

    def _resting_state(self) -> None:
        """A state that is a whole number for good, or rests at zero whatever its equation."""
        start, rate = self.dice.choice((
            (0.0, "-w"), (0.0, "-w*(1 + abs(x))"), (0.0, "w*(a - w)"), (2.0, "0*x"), (1.0, "w - w**2"), (-0.0, "-2*w")))
        self.states["w"], self.equations["w"] = start, rate

    def _border(self) -> str:
        """A condition that stands on its border, for some time or at the start."""
        dice, relation = self.dice, self.dice.choice(RELATIONS)
        x = dice.choice(self.earlier[:-1] or self.earlier[:1])
        level, start = self._level(), repr(self.states[x])
        quantity, kind = dice.choice((
            (f"max(0, {level} - {x}) {relation} 0", "region"), (f"ramp({x} - {level}) {relation} 0", "region"),
            (f"min(0, {x} - {level}) {relation} 0", "region"), (f"max({x}, {level}) {relation} {level}", "region"),
            (f"min({x}, {level}) {relation} {level}", "region"), (f"min(1, max(0, 2*{x})) {relation} 1", "region"),
            (f"ramp({x} - {level})**2 {relation} 0", "region"), (f"ramp({x})*ramp(-{x}) {relation} 0", "everywhere"),
            (f"min({level}, {x}) - {level} {relation} 0", "region"), (f"abs(ramp({x} - {level})) {relation} 0", "region"),
            (f"max({x}, {x} - 1) {relation} {x}", "everywhere"),
            (f"{x} {relation} {start}", "start"), (f"{start} {relation} {x}", "start"), (f"time {relation} 0", "start"),
            (f"n {relation} 0", "parameter"), (f"m {relation} 0.2", "parameter"), (f"k {relation} 2", "parameter"),
            (f"max(n, 0) {relation} n", "parameter"), (f"n*k {relation} 0", "parameter"),
        ))
        if "w" in self.states and dice.random() < 0.4:
            w = int(self.states["w"])
            quantity, kind = dice.choice((
                (f"w {relation} {w}", "rest"), (f"w - {w} {relation} n", "rest"), (f"({w} - w)*{x} {relation} 0", "rest"),
                (f"abs(w - {w}) {relation} 0", "rest"), (f"max(w, {w}) {relation} {w}", "rest"),
                (f"2*w {relation} {2 * w}", "rest")))
        self.borders.append(f"{kind}: {quantity}")
        return quantity

    def _condition(self) -> str:
        if self.dice.random() < 0.75:
            return self._border()
        x = self.dice.choice(self.earlier[:-1] or self.earlier[:1])
        return f"{x} {self.dice.choice(RELATIONS)} {self._level()}"

    def _choice(self, depth: int) -> str:
        """A value by cases, of constants and continuous terms."""
        dice = self.dice
        values = [dice.choice(("0", "1", "a", "-b", "0.5", self._term(1))) for _ in range(2)]
        if depth:
            values[dice.randrange(2)] = f"({self._choice(depth - 1)})"
        return f"{values[0]} if {self._condition()} else {values[1]}"

    def _jump(self, name: str) -> None:
        dice = self.dice
        at = self.earlier
        self.earlier = at[: at.index(name) + 1] if name in at else at
        if self.feedback:
            self.earlier = [*self.earlier, ""]
        text = self._choice(dice.choice((0, 0, 1, 2)))
        if dice.random() < 0.3:
            self.definitions["case"] = text
            text = dice.choice(("case", "case*tanh(b)", "(1 if case > 0 else case)", "(0 if case <= 0 else b)",
                                "sign(case)"))
        if dice.random() < 0.25:
            x = dice.choice(self.earlier[:-1] or self.earlier[:1])
            signed = "w" if "w" in self.states else "n"
            text = f"({text}) + 0.5*sign({dice.choice((signed, f'ramp({x} - {self._level()})', f'min(0, {x})'))})"
        self.earlier = at
        if name == "x" and not self.feedback:
            # one state alone: its jumps must not turn it back
            self.states["y"], self.equations["y"] = 0.0, f"{text} - y"
            self.earlier.append("y")
        else:
            self.equations[name] += f" + ({text})"

    def _lag(self) -> None:
        followed, stages = self.dice.choice(("max(0, x)", "x", "min(x, m)")), self.dice.choice((1, 2, 3))
        self.definitions["late"] = f"lag({followed}, 0.4, {stages})"
        self.equations["x"] += " - 0.5*late"

    # ---- events, shocks, lanes -----------------------------------------------------------------------------------------

    def _events(self) -> dict:
        dice, events = self.dice, {}
        terminal = dice.random() < 0.3
        for name in ("first", "second")[: dice.choice((1, 2, 2))]:
            x = dice.choice(list(self.states))
            level = dice.choice(LEVELS)
            text = dice.choice((f"{x} - {level}", f"{x} - {level}", f"max(0, {x} - {level})", f"min(0, {x} - {level})",
                                f"{x} - {dice.choice(list(self.states))}*0.5 - {level}", f"ramp({x}) - ramp({level} - x)"))
            events[name] = (text, dice.choice(("falling", "rising", "both")), terminal and name == "first")
        return events

    def _shock(self, parts: dict) -> tuple[str, float]:
        x = self.dice.choice([n for n in self.states if n != "w"])
        after = self.dice.choice((f"{x} - magnitude", f"max(0, {x} - magnitude)", f"{x}*(1 - magnitude)"))
        parts["shocks"] = {"price": {x: after}}
        return "price", self.dice.choice((0.1, 0.25, 0.5))

    def _starts(self) -> list:
        starts = [dict(self.states)]
        for _ in range(self.lanes - 1):
            starts.append({n: v if n == "w" or self.dice.random() < 0.4 else v + round(self.dice.uniform(-1, 1), 2)
                           for n, v in self.states.items()})
        return starts

    def _values(self) -> list:
        others = [{**self.parameters, "a": round(self.dice.uniform(-1, 1), 2), "b": round(self.dice.uniform(0.3, 2), 2)}
                  for _ in range(self.lanes - 1)]
        return [dict(self.parameters), *others]
