"""Trajectories per second against a SciPy LSODA loop, interleaved in one process, one core, processor time.

Jobs: phase diagrams of 256 x 256 cells of the core model and of a leverage model with a smooth margin call (A), the same
with a liquidation latency of 0.0005 (stiff), 256 thresholds to 1e-6 (B), two threads against one, time to compile.
Both sides get a relative tolerance of 1e-6 and an absolute one of 1e-9, and stop where equity is gone. The peer calls
the package's own scalar function of the field, which is faster than ``lambdify`` with NumPy. Prints a Markdown table.
"""

import os
import statistics
import time

import numpy as np
from scipy.integrate import solve_ivp
from sympy import Symbol

import dynamics as dy
from dynamics.compiled.code import scalar_function
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels import flow_code, jit
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows

CPU = time.process_time
REPEATS, PEER, OURS = 5, 30, 16384
SMOOTH = dy.System(
    name="leverage with a smooth margin call", time="continuous",
    states={"gap": 0.0, "leverage": 6.0, "sales": 0.0},
    parameters={"reversion": 1.0, "impact": 0.15, "adjustment": 0.2, "target": 6.0, "limit": 8.0, "strength": 5.0,
                "width": 0.02, "latency": 0.05},
    definitions={"fall": "reversion*gap + impact*sales"},
    equations={"gap": "-fall",
               "leverage": "leverage*((leverage - 1)*fall - sales) + adjustment*leverage*(1 - leverage/target)",
               "sales": "(strength*width*softplus((leverage/limit - 1)/width) - sales)/latency"},
    events={"insolvency": dy.Event("leverage - 1000", "rising", terminal=True)})


class Job:
    """A problem with the initial states and parameters of its cells."""

    def __init__(self, system, duration, axes, start):
        functions = functions_of(system)
        event = next(iter(system.events))
        sign = {"falling": -1, "rising": 1}[system.events[event].direction]
        self.duration, self.event_sign = duration, sign
        self.problem = FlowProblem(
            tuple(Symbol(n) for n in functions.names), tuple(Symbol(n) for n in functions.parameter_names),
            tuple(system.field[n] for n in functions.names), (system.resolve(system._parsed.events[event][0]),), (sign,),
            (True,), running=(Symbol(functions.names[0]), Symbol(functions.names[1])))
        cells = next(iter(axes.values())).size
        self.p = np.repeat(np.array(functions.parameters(system))[:, None], cells, 1)
        for name, values in axes.items():
            self.p[functions.parameter_names.index(name)] = values
        self.y = start(cells)
        self.field = scalar_function(list(self.problem.field), [list(self.problem.states), list(self.problem.parameters)])
        self.level = scalar_function(list(self.problem.events), [list(self.problem.states), list(self.problem.parameters)])

    def peer(self, y, p):
        """Whether the event happens, by SciPy."""
        p = p.tolist()

        def level(t, z):
            return self.level(z.tolist(), p)[0]

        level.terminal, level.direction = True, self.event_sign
        run = solve_ivp(lambda t, z: self.field(z.tolist(), p), (0, self.duration), y, method="LSODA", rtol=1e-6, atol=1e-9,
                        events=level)
        return run.status == 1

    def ours(self, y, p, **options):
        return integrate_flows(self.problem, y, p, self.duration, **options)


def core(duration=50.0, latency=None):
    system = dy.models.load("deleveraging")
    system = system if latency is None else system.with_parameters(liquidation_latency=latency)
    impact, target = (a.ravel() for a in np.meshgrid(np.linspace(0.05, 1, 256), np.linspace(2, 10, 256)))
    return Job(system, duration, {"price_impact": impact, "target_leverage": target},
               lambda n: np.stack([np.full(n, -0.1), 1 - (1 - 1 / target) * np.exp(0.1), np.zeros(n)]))


def smooth(latency=None):
    system = SMOOTH if latency is None else SMOOTH.with_parameters(latency=latency)
    impact, gap = (a.ravel() for a in np.meshgrid(np.linspace(0.01, 0.5, 256), np.linspace(-0.18, 0.0, 256)))
    return Job(system, 50.0, {"impact": impact}, lambda n: np.stack([gap, 1 / (1 - 5 / 6 * np.exp(-gap)), np.zeros(n)]))


def compare(name, job):
    generator, ratios, rates = np.random.default_rng(0), [], []
    job.ours(job.y[:, ::16], job.p[:, ::16])  # compiled before the clock runs, both methods
    wrong = 0
    for _ in range(REPEATS):
        few, many = generator.permutation(job.y.shape[1])[:PEER], generator.permutation(job.y.shape[1])[:OURS]
        begun = CPU()
        events = [job.peer(job.y[:, k], job.p[:, k]) for k in few]
        peer = PEER / (CPU() - begun)
        begun = CPU()
        job.ours(job.y[:, many], job.p[:, many])
        ours = OURS / (CPU() - begun)
        wrong += int(((job.ours(job.y[:, few], job.p[:, few]).status == 1) != np.array(events)).sum())
        ratios.append(ours / peer)
        rates.append(ours)
    row(name, f"{statistics.median(rates):,.0f}/s", f"{statistics.median(ratios):.0f}",
        f"{min(ratios):.0f} to {max(ratios):.0f}; {wrong} of {REPEATS * PEER} outcomes differ")


def thresholds():
    job, cells, rounds = smooth(), 256, 18
    impact = np.linspace(0.01, 0.5, cells)
    p = np.repeat(job.p[:, :1], cells, 1)
    p[1] = impact

    def state(shock):
        return np.stack([-shock, 1 / (1 - 5 / 6 * np.exp(shock)), 0 * shock])

    def bisect(happens, low, high):
        for _ in range(rounds):
            middle = (low + high) / 2
            event = happens(middle)
            low, high = np.where(event, low, middle), np.where(event, middle, high)
        return (low + high) / 2

    job.ours(job.y[:, ::16], job.p[:, ::16])
    ratios, worst = [], 0.0
    for _ in range(REPEATS):
        begun = CPU()
        found = bisect(lambda m: job.ours(state(m), p).status == 1, np.zeros(cells), np.full(cells, 0.1823))
        ours = CPU() - begun
        begun = CPU()
        for k in (40, 200):
            one = bisect(lambda m, k=k: np.array(job.peer(state(m), p[:, k])), np.array(0.0), np.array(0.1823))
            worst = max(worst, abs(float(one) - found[k]))
        ratios.append((CPU() - begun) * cells / 2 / ours)
    row("B: 256 thresholds to 1e-6", f"{ours * 1e3:.0f} ms", f"{statistics.median(ratios):.0f}",
        f"{min(ratios):.0f} to {max(ratios):.0f}; largest difference {worst:.0e}")


def threads():
    job, ratios = smooth(), []
    for _ in range(REPEATS):
        clock = []
        for count in (1, 2):
            begun = time.perf_counter()
            job.ours(job.y, job.p, threads=count)
            clock.append(time.perf_counter() - begun)
        ratios.append(clock[0] / clock[1])
    row("two threads against one", f"{clock[1]:.2f} s for 65,536", f"{statistics.median(ratios):.2f}",
        f"clock time, {os.cpu_count()} processors")


def compiling():
    target = jit.native_target()
    for dimension in (3, 6, 12, 24):
        names = [f"x{k}" for k in range(dimension)]
        states = tuple(Symbol(n) for n in names)
        ring = dy.System(name="ring", time="continuous", states=dict.fromkeys(names, 0.1), parameters={"a": 1.5},
                         equations={n: f"a*tanh({names[k - 1]}) - {n}*(1 + {names[k - 2]}**2)" for k, n in enumerate(names)})
        problem = FlowProblem(states, (Symbol("a"),), tuple(ring.field[n] for n in names))
        for method in flow_code.METHODS:
            begun = CPU()
            text = flow_code.flow_text(problem, method, flow_code.native_width(dimension), True)
            jit._object_code(text, target, True)
            row(f"compile {method}, dimension {dimension}", f"{CPU() - begun:.2f} s", "", f"{problem.operations} operations")


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    target = jit.native_target()
    print(f"{target.cpu}, {target.width} doubles in a vector, {target.version}\n")
    row("job", "ours", "ratio", "range and remarks")
    row("---", "---", "---", "---")
    compare("A: core model", core())
    compare("A: smooth margin call", smooth())
    compare("stiff: core model", core(latency=0.0005))
    compare("stiff: smooth margin call", smooth(latency=0.0005))
    thresholds()
    threads()
    compiling()
