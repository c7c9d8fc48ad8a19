"""Fuzz every reader: damaged files end in a sentence or a report, within a bound of time.

    python tests/fuzz/fuzz.py --minutes 5        # what `make fuzz MINUTES=5` runs
    python tests/fuzz/fuzz.py --cases 100000 --seed 7      # about 20 minutes of one core
    python tests/fuzz/fuzz.py --only codex --seed 7 --case 123    # one case again

A case is known by its subject, seed and number. A failed one is kept under `.fuzz/`, to become a test.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent))

from mutators import mutated, mutator_of
from subjects import Subject, outcome_of, subjects

LONGEST_CASE_S = 10
PRINTED_EVERY, WHOLE_EVERY = 17, 400
"""How many cases are read for each one that is printed, and costed on sampled deployments."""

KEPT = Path(".fuzz")


@dataclass(frozen=True)
class Case:
    """One damaged file: `number` and `seed` make it again."""

    subject: Subject
    seed: int
    number: int

    def made(self) -> tuple[str, bytes]:
        """Return the names of the mutators, and the damaged file."""
        chance = random.Random(f"{self.seed}/{self.subject.name}/{self.number}")
        return mutated(self.subject.sample, chance, self.number)

    def outcome(self, folder: Path) -> str:
        """Return how the case ended. Raises what a user could not have caused."""
        _, data = self.made()
        path = folder / f"case{self.subject.suffix}"
        path.write_bytes(self.subject.packed(data))
        run = self.subject.printed if self.number % PRINTED_EVERY == 0 else self.subject.run
        run = self.subject.whole if self.number % WHOLE_EVERY == WHOLE_EVERY - 1 else run
        with time_limit():
            return outcome_of(run, path, self.subject)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise TimeoutError in a case that takes too long, where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the case took longer than {LONGEST_CASE_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_CASE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """Run cases until the time or their number is up; return 1 if one failed."""
    options = _options()
    chosen = [subject for name, subject in subjects().items() if (options.only or "") in name]
    ended = time.monotonic() + 60 * options.minutes if options.minutes else None
    outcomes: dict[str, Counter[str]] = {subject.name: Counter() for subject in chosen}
    failures: Counter[str] = Counter()
    damage: Counter[str] = Counter()
    numbers = iter([options.case]) if options.case is not None else itertools.count(options.first)
    cases = number = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            if (ended and time.monotonic() > ended) or (options.cases and cases >= options.cases):
                break
            for subject in chosen:
                case = Case(subject, options.seed, number)
                cases += 1
                damage[mutator_of(number)] += 1
                try:
                    found = case.outcome(Path(folder))
                    outcomes[subject.name]["report" if found == "report" else "sentence"] += 1
                except Exception as error:  # noqa: BLE001 - every kind is a finding
                    outcomes[subject.name]["failure"] += 1
                    _keep(case, error, failures)
    _print(cases, outcomes, failures)
    sys.stdout.write(", ".join(f"{name} {count}" for name, count in damage.most_common()) + "\n")
    sys.stdout.write(f"{time.process_time():.0f} s of CPU; go on with --first {number}\n")
    return 1 if failures else 0


def _keep(case: Case, error: Exception, failures: Counter[str]) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    kind = f"{type(error).__name__} at {where}"
    failures[kind] += 1
    if failures[kind] > 1:
        return
    names, data = case.made()
    KEPT.mkdir(exist_ok=True)
    path = KEPT / f"{case.subject.name.replace('/', '_')}-{case.seed}-{case.number}{case.subject.suffix}"
    path.write_bytes(case.subject.packed(data))
    sys.stdout.write(
        f"\n{case.subject.name} --seed {case.seed} --case {case.number} ({names}), kept in {path}\n"
    )
    sys.stdout.write("".join(traceback.format_exception(error)[-6:]))
    sys.stdout.flush()


def _print(cases: int, outcomes: dict[str, Counter[str]], failures: Counter[str]) -> None:
    sys.stdout.write(f"{'subject':52}{'report':>9}{'sentence':>10}{'failure':>9}\n")
    for name, counts in outcomes.items():
        figures = f"{counts['report']:9}{counts['sentence']:10}{counts['failure']:9}"
        sys.stdout.write(f"{name[-50:]:52}{figures}\n")
    sys.stdout.write(f"{cases} cases, {sum(failures.values())} failures of {len(failures)} kinds\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, help="how long to run")
    parser.add_argument("--cases", type=int, help="how many cases over all subjects")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--first", type=int, default=0, help="the number to begin with, to go on with a seed")
    parser.add_argument("--only", metavar="TEXT", help="only subjects whose names contain it")
    options = parser.parse_args()
    if not options.minutes and not options.cases and options.case is None:
        options.minutes = 1.0
    return options


if __name__ == "__main__":
    raise SystemExit(main())
