"""Trajectories per second of this package and of other engines at equal measured error, alternating in time, one core each.

Every engine runs in a process of its own, with its own environment, and gets the same cells of two phase diagrams of
256 x 256 cells: the core model (a margin call with a kink) and a model with a smooth margin call, to time 50, ending where
equity is gone. First the errors are measured, against DOP853 at a relative tolerance of 1e-13: the larger of the errors at
times 2 (in the fall) and 50 (at the end), in units of 0.001 + |state|, median over the cells that survive. The peer gets the
tolerance at which its error is nearest to 5e-7, this package the largest one with which its error is not above the peer's.
Then both take turns, on cells drawn anew each time; processor time without compilation is compared. Prints a Markdown table.

Usage: python benchmarks/peers.py [--set-up] [--environments FOLDER] [name ...]
``--set-up`` makes the environments of the peers first, with venv and pip.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
# name: title, environment (None: this one), packages, script, arguments
PEERS: dict[str, tuple[str, str | None, tuple[str, ...], str, tuple[str, ...]]] = {
    "numba": ("numba, scalar Tsit5", "numba", ("numba", "scipy"), "numba_tsit5", ()),
    "heyoka8": ("heyoka, batches of 8", "heyoka", ("heyoka",), "heyoka_taylor", ("8",)),
    "heyoka": ("heyoka, scalar", "heyoka", ("heyoka",), "heyoka_taylor", ("1",)),
    "diffrax": ("diffrax Tsit5, vmap", "diffrax", ("diffrax",), "diffrax_tsit5", ()),
    "numbalsoda": ("numbalsoda DOP853 (no events)", "numbalsoda", ("numbalsoda",), "numbalsoda_dop853", ()),
    "jitcode": ("JiTCODE dopri5 (no events)", "jitcode", ("jitcode", "setuptools", "scipy"), "jitcode_dopri5", ()),
    "cvode": ("CVODE by scikit-sundae", "sundials", ("scikit-sundae",), "sundials_cvode", ()),
    "lsoda": ("SciPy LSODA, loop", None, (), "scipy_loop", ("LSODA",)),
    "rk45": ("SciPy RK45, loop", None, (), "scipy_loop", ("RK45",)),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
SAMPLE, ROUNDS, SECONDS, WANTED = 256, 9, 0.4, 5e-7
EARLY, LATE = 2.0, 50.0
PEER_LADDER = [10.0 ** (-k / 2) for k in range(7, 25)]
OUR_LADDER = [10.0 ** (-k / 8) for k in range(28, 89)]


class Engine:
    """A process that solves cells on request."""

    def __init__(self, python: Path, script: str, arguments: tuple[str, ...], folder: Path) -> None:
        self.file = folder / f"{script}{'_'.join(arguments)}.npz"
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(HERE.parent) if script == "ours" else ""}
        self.process = subprocess.Popen([str(python), str(HERE / "peers" / f"{script}.py"), *arguments], text=True,
                                        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.versions = self._answer()
        self.errors: dict[tuple[str, float], float] = {}

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        # some libraries print complaints between the answers
        line = next((text for text in self.process.stdout if text.startswith("{")), "")
        if not line:
            raise RuntimeError(f"ended with code {self.process.wait()}")
        return dict(json.loads(line))

    def ask(self, model: str, tolerance: float, count: int, seed: int, duration: float, file: str = "") -> float:
        """Return the processor seconds for some cells."""
        assert self.process.stdin is not None
        asked = {"model": model, "tolerance": tolerance, "count": count, "seed": seed, "duration": duration, "file": file}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return float(self._answer()["seconds"])

    def results(self, model: str, tolerance: float, duration: float) -> tuple[np.ndarray, np.ndarray]:
        """Return outcomes and final states of the sample."""
        self.ask(model, tolerance, SAMPLE, 0, duration, str(self.file))
        with np.load(self.file) as stored:
            return stored["outcome"], stored["final"]

    def error(self, model: str, tolerance: float, exact: dict[float, tuple[np.ndarray, np.ndarray]]) -> float:
        key = (model, tolerance)
        if key not in self.errors:
            worst = np.zeros(SAMPLE)
            survive = exact[LATE][0] == 0
            for duration, (_, reference) in exact.items():
                outcome, final = self.results(model, tolerance, duration)
                with np.errstate(invalid="ignore"):
                    size = np.max(np.abs(final - reference) / (1e-3 + np.abs(reference)), axis=0)
                worst = np.maximum(worst, np.where(np.isfinite(size) & (outcome == 0), size, np.inf))
            self.errors[key] = float(np.median(worst[survive]))
        return self.errors[key]

    def rate(self, model: str, tolerance: float) -> float:
        return SAMPLE / max(self.ask(model, tolerance, SAMPLE, 1, LATE), 1e-4)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def set_up(folder: Path, names: list[str]) -> None:
    """Make the environments that are missing; one that cannot be made is left out with a sentence."""
    for environment, packages in {PEERS[n][1]: PEERS[n][2] for n in names if PEERS[n][1]}.items():
        place = folder / str(environment)
        if (place / "ready").exists():
            continue
        print(f"setting up {environment}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(_python(place)), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        done = subprocess.run([*pip, *packages])
        if done.returncode:
            print(f"{environment} could not be installed and is left out", file=sys.stderr)
        else:
            (place / "ready").touch()


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def compare(ours: Engine, peer: Engine, title: str, model: str, exact: dict[float, tuple[np.ndarray, np.ndarray]]) -> str:
    nearest = None
    for tolerance in PEER_LADDER:
        distance = abs(np.log(peer.error(model, tolerance, exact) / WANTED))
        if nearest is not None and distance > nearest[0]:
            break
        nearest = (distance, tolerance)
    assert nearest is not None
    theirs = nearest[1]
    bound = peer.error(model, theirs, exact)
    mine = next((t for t in OUR_LADDER if ours.error(model, t, exact) <= bound), OUR_LADDER[-1])
    both = ((ours, mine), (peer, theirs))
    wrong = [int(np.sum(e.results(model, t, LATE)[0] != exact[LATE][0])) for e, t in both]
    counts = [SAMPLE * max(1, min(256, round(SECONDS * e.rate(model, t) / SAMPLE))) for e, t in both]
    rates: list[list[float]] = [[], []]
    for number in range(ROUNDS):
        for k, (engine, tolerance) in enumerate(both):
            rates[k].append(counts[k] / engine.ask(model, tolerance, counts[k], 2 + number, LATE))
    ratios = [a / b for a, b in zip(*rates, strict=True)]
    return (f"| {title} | {model} | {theirs:.0e}, {bound:.1e} | {mine:.0e}, {ours.error(model, mine, exact):.1e} | "
            f"{statistics.median(rates[1]):,.0f} | {statistics.median(rates[0]):,.0f} | {statistics.median(ratios):.4g} | "
            f"{min(ratios):.3g} to {max(ratios):.3g} | {wrong[0]}, {wrong[1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*PEERS, []], default=[])
    parser.add_argument("--set-up", action="store_true")
    parser.add_argument("--environments", type=Path, default=HERE.parent / "build" / "peers")
    given = parser.parse_args()
    names = given.names or list(PEERS)
    if given.set_up:
        set_up(given.environments, names)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = Path(made)
        exact_engine = Engine(Path(sys.executable), "scipy_loop", ("DOP853",), folder)
        exact = {model: {t: exact_engine.results(model, 1e-13, t) for t in (EARLY, LATE)} for model in ("core", "smooth")}
        exact_engine.stop()
        ours = Engine(Path(sys.executable), "ours", (), folder)
        versions = dict(ours.versions)
        print("| peer | model | peer's tolerance, error | ours | peer, trajectories/s | ours | ratio | range | "
              f"wrong outcomes of {SAMPLE}: ours, peer |\n|" + " --- |" * 9, flush=True)
        for name in names:
            title, environment, _, script, arguments = PEERS[name]
            python = Path(sys.executable) if environment is None else _python(given.environments / environment)
            if not python.exists():
                print(f"| {title} | not installed | | | | | | | |", flush=True)
                continue
            try:
                peer = Engine(python, script, arguments, folder)
                versions |= peer.versions
                for model in ("core", "smooth"):
                    print(compare(ours, peer, title, model, exact[model]), flush=True)
                peer.stop()
            except (RuntimeError, OSError) as error:
                print(f"| {title} | failed: {error} | | | | | | | |", flush=True)
        ours.stop()
    print("\nVersions: " + ", ".join(f"{n} {v}" for n, v in versions.items()) + ".")


if __name__ == "__main__":
    main()
