"""Servers that are measured: started, looked at, ended; and the clients that post to them."""

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness import ENVIRONMENT

TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 30


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Server:
    """A server: `ADDRESS` and `PORT` in its command are its own; `path` takes webhooks, `ready` answers 200 once it works."""

    name: str
    command: list[str]
    path: str
    ready: str
    port: int = 0
    process: subprocess.Popen | None = None

    def start(self, again: bool = False) -> float:
        """Starts it, and returns after how many seconds it was ready; `again`: on the same port."""
        self.port = self.port if again else free_port()
        named = {"ADDRESS": f"127.0.0.1:{self.port}", "PORT": str(self.port)}
        command = [named.get(word, word) for word in self.command]
        begun = time.perf_counter()
        # In a group of its own: signals are for it alone.
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, process_group=0)
        while not self.is_ready():
            if self.process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                sys.exit(f"{self.name} does not start: {' '.join(command)}")
            time.sleep(0.0002)
        return time.perf_counter() - begun

    def is_ready(self) -> bool:
        try:
            return self.get(self.ready)[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """Returns the sum of a metric's samples."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.split("{")[0].split(" ")[0] == name]
        assert lines, f"{self.name} has no metric {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def cpu(self) -> float:
        """Returns the seconds that it and the commands which it has seen end have used of all processors."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
        return sum(map(int, times)) / TICK

    def memory(self) -> int:
        """Returns its resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self, commands: bool) -> None:
        """Kills it in the middle of what it does; with `commands` all processes that it has started, too."""
        found = [self.process.pid]
        # It is stopped first, so that it starts nothing more, nor sees them end.
        self.process.send_signal(signal.SIGSTOP)
        for pid in found:
            # One that has ended has no children left that are known.
            with suppress(FileNotFoundError):
                for children in Path(f"/proc/{pid}/task").glob("*/children") if commands else ():
                    found += map(int, children.read_text().split())
        for pid in reversed(found):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.process = None


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Starts servers, and ends them whatever happens; what they were at is left."""
    try:
        for server in servers:
            server.start()
        yield
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.stop(signal.SIGKILL)


@dataclass
class Posts:
    """What became of bodies that were posted: times in seconds since the first was."""

    posted: list[float]
    answered: list[float | None]
    written: list[float | None]
    status: list[int]
    cpu: float

    def all_were_taken(self) -> None:
        answers = {status: self.status.count(status) for status in set(self.status)}
        assert set(answers) == {200}, f"answers by status: {answers}"

    def answered_a_second(self) -> float:
        return len(self.answered) / max(self.answered)

    def written_a_second(self) -> float:
        self.all_were_written()
        return len(self.written) / max(self.written)

    def p99_to_written(self) -> float:
        self.all_were_written()
        took = sorted(written - posted for posted, written in zip(self.posted, self.written))
        return took[int(len(took) * 0.99) - 1]

    def all_were_written(self) -> None:
        assert None not in self.written, f"{self.written.count(None)} of {len(self.written)} lines are missing"


@dataclass
class Clients:
    """Clients that post bodies over connections that stay open; see `post.rs`."""

    program: str
    count: int

    def post(self, server: Server, bodies: Path, pipe: Path | None = None) -> Posts:
        command = [self.program, f"127.0.0.1:{server.port}", server.path, str(self.count), str(bodies)]
        process = subprocess.Popen(command + [str(pipe)] * bool(pipe), env=ENVIRONMENT, stdout=subprocess.PIPE)
        told = json.load(process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"the clients failed: {' '.join(command)}"
        first = min(told["posted"])

        def since(times: list[int | None]) -> list[float | None]:
            return [None if time is None else (time - first) / 1e9 for time in times]

        return Posts(since(told["posted"]), since(told["answered"]), since(told["written"]), told["status"],
                     usage.ru_utime + usage.ru_stime)


@dataclass
class Seen:
    """Figures of a server over several rounds, by name."""

    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **figures: float) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.figures[name])
