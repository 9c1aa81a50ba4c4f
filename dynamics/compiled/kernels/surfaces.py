"""Steps that end where a surface is met: events, and borders between the cases of a field.

Within a step every lane keeps the case it started in, so the step is smooth even if it goes beyond the border. Where a
watched quantity changes sign, the step is tried again, shortened to end there: the cubic through the values and slopes
at both ends says where, and a second shortening leaves an error far below any tolerance. A quantity that comes close
to zero and turns back is first followed to its turning point, so that two zeros within one step are not lost.

A quantity may also be exactly zero and stay there: at rest on a border, or where it vanishes identically, as max(0, z)
does. It is on no side then, its value of the moment decides, and the first step that leaves zero is made again on the side
it goes to. To leave zero is no event; to reach it is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynamics.compiled.kernels.cubics import Cubic
from dynamics.compiled.kernels.ir import FLAG, Builder, Value, Variable
from dynamics.compiled.kernels.lane_rows import Layout, Rows

__all__ = ["Surface", "Watch"]

CLOSE = 1e-10     # of a step: a surface met this closely counts as reached
NEAR = 0.1        # of the way: a turning point this near to a surface is looked at
MOST_TRIALS = 12.0
MOST_TROUBLE = 20.0
FAR = 1e300       # a bias that holds a case whatever the quantity
PASSES = 3.0      # a changed case may put another quantity on zero or off it, and that a third one; more go to and fro


@dataclass(frozen=True)
class Surface:
    """One watched quantity along a step.

    Attributes
    ----------
    number : int
        Place among the switching quantities or the events.
    event : bool
    direction : int
        -1, 0, 1: which crossings count.
    terminal : bool
    sign : Value
        1 or -1: the side the lane is on; 0 where the quantity stays at zero, or is not watched.
    before, before_slope, after, after_slope : Value
        Values and rates of change at the ends.
    """

    number: int
    event: bool
    direction: int
    terminal: bool
    sign: Value
    before: Value
    before_slope: Value
    after: Value
    after_slope: Value

    def cubic(self, step: Value) -> Cubic:
        """Return its course over the step, positive on the side the lane is on."""
        along = step * self.sign
        return Cubic(self.before * self.sign, self.before_slope * along, self.after * self.sign, self.after_slope * along)

    def leaves_zero(self) -> Value:
        """Whether it was at zero and is so no longer."""
        return self.sign.equals(0.0) & (self.after.builder.absolute(self.after) > 0.0)

    def wanted(self) -> Value:
        """Whether leaving this side counts."""
        if self.direction == 0:
            return self.sign.differs(0.0)
        return self.sign.equals(float(-self.direction))


class Watch:
    """Looks at all surfaces after a step that would be accepted."""

    def __init__(self, build: Builder, layout: Layout, rows: Rows) -> None:
        self.build, self.layout, self.rows = build, layout, rows

    def alarm(self, surfaces: Sequence[Surface], step: Value, accepted: Value, tried: Value, at_zero: Value) -> Value:
        """Whether in some lane a surface may have been met; a lane on its way to one is always looked at.

        ``at_zero``: whether in any lane any quantity stays at zero, as hardly ever.
        """
        build = self.build
        alarm = self.rows.get("trials") > 0.0
        for s in surfaces:
            c = s.cubic(step)
            back = (c.start_slope < 0.0) & (c.end_slope > 0.0)
            close = build.minimum(c.start, c.end) < 0.5 * build.maximum(-c.start_slope, c.end_slope)
            alarm = alarm | ((c.end <= 0.0) & s.sign.differs(0.0)) | (back & close)
        found = build.variable(alarm & accepted)
        with build.when(at_zero):
            held = self.rows.get("trouble") <= MOST_TROUBLE
            for s in surfaces:
                leaves = s.leaves_zero() if s.event else s.leaves_zero() & held
                found.set(found.get() | (leaves & tried))
        return found.get()

    def at_zero(self, active: Value) -> Value:
        """Whether in any lane any quantity stays at zero."""
        rows, layout = self.rows, self.layout
        sides = [rows.get("bias", k) for k in range(layout.switches)] + [rows.get("side", k) for k in range(layout.events)]
        somewhere = self.build.lift(0, self.build.mask)
        for side in sides:
            somewhere = somewhere | side.equals(0.0)
        return self.build.any(somewhere & active)

    def inspect(self, surfaces: Sequence[Surface], step: Value, whole: Value, arrival: Value, accepted: Variable,
                tried: Value, at_zero: Value, forced: Variable, moved: Variable) -> None:
        """Decide for every lane that met a surface: shorten the step, or end it there.

        Parameters
        ----------
        surfaces : sequence of Surface
        step, whole : Value
            Length of the step, and what the step-size control had asked for.
        arrival : Value
            Time at its end.
        accepted : Variable
            Lanes whose step is accepted; those to be shortened are taken out.
        tried : Value
            Lanes whose step has finite values, accepted or not.
        at_zero : Value
            As for ``alarm``.
        forced : Variable
            The next step where it is not left to the step-size control, else -1.
        moved : Variable
            Lanes that changed their side of a switching surface.
        """
        build, rows = self.build, self.rows
        departed = self._departed(surfaces, tried, at_zero)
        good = accepted.get() & ~departed
        trials = rows.get("trials")
        resume = build.select(trials > 0.0, rows.get("resume"), whole)
        first_time = trials.equals(0.0)
        spent = trials >= MOST_TRIALS
        nearest, ahead = build.constant(2.0), build.constant(1e300)
        share = CLOSE * (resume / step)
        details = []
        for s in surfaces:
            c = s.cubic(step)
            tolerance = share * build.absolute(c.end_slope)
            wanted = s.wanted()
            beyond = good & wanted & (c.end < -tolerance) & ~spent
            back = good & s.sign.differs(0.0) & (c.start_slope < 0.0) & (c.end_slope > 0.0) & (c.end > -tolerance)
            place, end = build.variable(2.0), build.variable(build.select(beyond, 1.0, -1.0))
            with build.when(build.any(back)):
                turn = c.turning()
                least = c.at(turn)
                through = back & (least < 0.0) & wanted & ~spent
                closer = back & (least < -NEAR * c.start_slope) & first_time & ~through
                end.set(build.select(through, turn, end.get()))
                place.set(build.select(closer, turn, place.get()))
            asked = end.get() >= 0.0
            with build.when(build.any(asked)):
                # a cubic of its own: what the other has computed under a condition is not known here
                place.set(build.select(asked, s.cubic(step).root(end.get()), place.get()))
            fraction = place.get()
            nearest = build.minimum(nearest, fraction)
            reached = good & s.sign.differs(0.0) & (c.end <= tolerance) & (
                (c.end_slope < 0.0) | (spent & (c.end < 0.0)))
            left = build.select((c.end > 0.0) & (c.end_slope < 0.0) & wanted, -c.end * step / c.end_slope, 1e300)
            ahead = build.minimum(ahead, left)
            details.append((s, wanted, reached, fraction, c.end < 0.0))
        shorten = good & (nearest < 1.0)
        # a zero at the very start: the lane changes sides without moving
        at_start = shorten & (nearest * step <= CLOSE * resume)
        short = shorten & ~at_start
        kept = good & ~shorten
        accepted.set(kept)
        any_reached = at_start
        for s, wanted, reached, fraction, negative in details:
            here = (kept & reached) | (at_start & (fraction <= nearest))
            any_reached = any_reached | here
            flip = here | (kept & negative & s.sign.differs(0.0))
            if s.event:
                side = build.select(flip, -s.sign, s.sign)
                rows.set("side", build.select(kept & s.leaves_zero(), build.copysign(1.0, s.after), side), s.number)
                self._record(s, here & wanted, arrival, at_start, step)
            else:
                bias = rows.get("bias", s.number)
                rows.set("bias", build.select(flip, -bias, bias), s.number)
                moved.set(moved.get() | flip)
        # a lane that has accepted a shortened step short of its surface goes on to it by Newton's method
        newton = kept & ~any_reached & (trials > 0.0) & (ahead < 0.5 * resume)
        on = build.select(short, nearest * step, build.select(newton, ahead, resume))
        forced.set(build.select(short | newton | at_start | (kept & (trials > 0.0)), on, forced.get()))
        forced.set(build.select(departed, whole, forced.get()))
        rows.set("trials", build.select(short | newton, trials + 1.0, build.select(kept | at_start, 0.0, trials)))
        rows.set("resume", build.select(short | newton, resume, rows.get("resume")))
        if self.layout.switches:
            self._trouble(any_reached, kept)
            rows.set("fresh", build.select(moved.get(), PASSES, rows.get("fresh")))
        # what has left zero is not put back there because it starts at zero with no rate
        moved.set(moved.get() | departed)

    def _departed(self, surfaces: Sequence[Surface], tried: Value, at_zero: Value) -> Value:
        """Put lanes whose quantities have left zero on the side they went to; their step is made again there."""
        build, rows = self.build, self.rows
        departed = build.variable(build.lift(0, build.mask))
        with build.when(at_zero):
            held = tried & (rows.get("trouble") <= MOST_TROUBLE)
            for s in surfaces:
                if not s.event:
                    leaves = held & s.leaves_zero()
                    bias = rows.get("bias", s.number)
                    rows.set("bias", build.select(leaves, build.copysign(FAR, s.after), bias), s.number)
                    departed.set(departed.get() | leaves)
        return departed.get()

    def decide(self, watched: Sequence[Value], rates: Sequence[Value]) -> Value:
        """Decide what is exactly zero in lanes whose case is new; return whether that changed the case of any.

        Parameters
        ----------
        watched, rates : sequence of Value
            Values and rates of change of the switching quantities, then of the events, in the case that is held.
        """
        build, rows, count = self.build, self.rows, self.layout.switches
        again = build.variable(build.lift(0, FLAG))
        with build.when(build.any(rows.get("fresh") > 0.0)):
            fresh = rows.get("fresh")
            held = (fresh > 0.0) & (rows.get("trouble") <= MOST_TROUBLE)
            changed = build.lift(0, build.mask)
            for k, (value, rate) in enumerate(zip(watched[:count], rates[:count], strict=True)):
                bias = rows.get("bias", k)
                # what a new case puts off zero by the rounding of a border goes where its rate takes it
                rounding = build.absolute(value) <= CLOSE * build.absolute(rate * rows.get("step"))
                off_zero = build.select(bias.equals(0.0) & ~rounding, build.copysign(FAR, value), bias)
                free = value.equals(0.0) | (bias.equals(0.0) & rounding)
                new = build.select(held, build.select(free, _side(build, rate, off_zero, FAR), off_zero), bias)
                changed = changed | new.differs(bias)
                rows.set("bias", new, k)
            for k, (value, rate) in enumerate(zip(watched[count:], rates[count:], strict=True)):
                side = rows.get("side", k)
                settled = held & ~changed & value.equals(0.0)
                rows.set("side", build.select(settled, _side(build, rate, side, 1.0), side), k)
            rows.set("fresh", build.select(changed, fresh - 1.0, 0.0))
            again.set(build.any(changed))
        return again.get()

    def _record(self, s: Surface, here: Value, arrival: Value, at_start: Value, step: Value) -> None:
        build, rows = self.build, self.rows
        when = build.select(at_start, arrival - step, arrival)
        first = rows.get("first", s.number)
        rows.set("first", build.select(here & first.differs(first), when, first), s.number)
        rows.set("count", build.select(here, rows.get("count", s.number) + 1.0, rows.get("count", s.number)), s.number)
        if s.terminal:
            ended = rows.get("event")
            rows.set("event", build.select(here & (ended < 0.0), float(s.number), ended))

    def _trouble(self, reached: Value, kept: Value) -> None:
        """Lanes that only go to and fro across borders decide by the sign of the moment from then on."""
        build, rows = self.build, self.rows
        trouble = rows.get("trouble") + build.select(reached, 1.0, 0.0)
        rows.set("trouble", trouble)
        plain = trouble > MOST_TROUBLE
        for number in range(self.layout.switches):
            rows.set("bias", build.select(plain, 0.0, rows.get("bias", number)), number)


def _side(build: Builder, rate: Value, otherwise: Value, size: float) -> Value:
    """Return the side to which a quantity at zero goes; zero where it stays, ``otherwise`` where that is no number."""
    moving = build.select(build.absolute(rate) > 0.0, build.copysign(size, rate), otherwise)
    return build.select(rate.equals(0.0), 0.0, moving)
