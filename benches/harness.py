"""What all benchmarks share: programs that are executed in turns, medians, the table."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Programs see no configuration of this machine, nor a proxy, nor colours.
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}


@dataclass
class Place:
    """Where things are: the built programs, a directory for inputs and stores; and how often a thing is executed."""

    programs: Path
    directory: Path
    rounds: int

    def program(self, name: str) -> str:
        return str(self.programs / name)


@dataclass
class Figures:
    """What one execution took: seconds, seconds of all processors, bytes."""

    wall: float
    cpu: float
    memory: int


@dataclass
class Program:
    """A command that is measured, with what is done before and what is checked after each execution."""

    name: str
    argv: list[str]
    stdin: Path | None = None
    before: Callable[[], None] = lambda: None
    check: Callable[[bytes], None] = lambda out: None
    seen: list[Figures] = field(default_factory=list)

    def execute(self) -> None:
        """Executes it once. Standard input comes through a pipe, from a process whose time does not count."""
        self.before()
        # Its output goes to a file, so that no reader competes with it for a processor.
        with tempfile.TemporaryFile() as out:
            feeder = subprocess.Popen(["cat", self.stdin], stdout=subprocess.PIPE) if self.stdin else None
            inlet = feeder.stdout.fileno() if feeder else os.open(os.devnull, os.O_RDONLY)
            files = [(os.POSIX_SPAWN_DUP2, inlet, 0), (os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
            begun = time.perf_counter()
            pid = os.posix_spawnp(self.argv[0], self.argv, ENVIRONMENT, file_actions=files)
            _, status, usage = os.wait4(pid, 0)
            wall = time.perf_counter() - begun
            if feeder:
                feeder.stdout.close()
                feeder.wait()
            else:
                os.close(inlet)
            if status != 0:
                sys.exit(f"{self.name} failed with status {os.waitstatus_to_exitcode(status)}: {' '.join(self.argv)}")
            out.seek(0)
            self.check(out.read())
        self.seen.append(Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))

    def median(self, what: str) -> float:
        return statistics.median(getattr(figures, what) for figures in self.seen)


def in_turns(rounds: int, *programs: Program) -> None:
    """Executes programs one after the other, several times, so that what disturbs one disturbs all."""
    for number in range(rounds + 1):
        for program in programs:
            program.execute()
            if number == 0:
                # The first time is for caches.
                program.seen.clear()


@dataclass
class Row:
    """A line of the table."""

    benchmark: str
    amflow: str
    against: str
    ratio: str
    target: str
    reached: bool | None

    def cells(self) -> list[str]:
        verdict = {True: "reached", False: "MISSED", None: ""}[self.reached]
        return [self.benchmark, self.amflow, self.against, self.ratio, self.target, verdict]


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def mebibytes(value: float) -> str:
    return f"{value / 2**20:.1f} MiB"


def compared(benchmark: str, mine: float, other: float, name: str, show: Callable[[float], str], target: str) -> Row:
    """Compares two figures; `target` is such as `<= 1.5x` or `>= 1.0x`."""
    ratio, (sign, limit) = mine / other, target.removesuffix("x").split(" ")
    reached = ratio <= float(limit) if sign == "<=" else ratio >= float(limit)
    return Row(benchmark, show(mine), f"{show(other)} {name}".rstrip(), f"{ratio:.2f}x", target, reached)


def at_most(benchmark: str, what: str, mine: Program, other: Program, limit: float) -> Row:
    """Compares seconds; `what` is `cpu` or `wall`."""
    row = compared(benchmark, mine.median(what), other.median(what), other.name, seconds, f"<= {limit}x")
    row.amflow += f" {what}"
    return row


def print_table(rows: list[Row]) -> None:
    lines = [["benchmark", "amflow", "against", "ratio", "target", ""], *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
