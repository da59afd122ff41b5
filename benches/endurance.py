"""The benchmarks of what `amflow serve` keeps: memory, runs of the past, and what it promised before it was killed."""

import threading
import time
from collections import Counter
from pathlib import Path

from harness import Place, Row, compared, mebibytes, seconds
from peers import ARGUMENT, NUMBER, Peers
from servers import PATIENCE, Clients, Posts, Seen, Server, running

# As many runs as deliveries, without a process.
LOG = "steps:\n  - log: '{{ alert.labels.instance }} is looked at'\n"
DELIVERIES = 100_000


class Endurance:
    """Benchmarks of a service that is left alone, and of one that is killed."""

    names = ("memory", "ready", "kill")

    def __init__(self, place: Place) -> None:
        self.place, self.peers = place, Peers(place)
        # A server that has had its deliveries, and its resident memory: idle, after half of them, after all.
        self.used: tuple[Server, list[int]] | None = None

    def memory(self) -> list[Row]:
        """Resident memory: idle, and after deliveries each of which started a run."""
        webhook = self.peers.webhook("true", False)
        with running(webhook):
            peer = at_rest(webhook)
        _, (idle, half, all_of_them) = self.much_used()
        return [
            compared("resident memory, idle", idle, peer, "webhook, idle", mebibytes, "<= 2x"),
            compared(f"  after {DELIVERIES:,} deliveries, a run each", all_of_them, peer, "webhook, idle", mebibytes, "<= 2x"),
            compared("", all_of_them, half, f"after {DELIVERIES // 2:,}", mebibytes, "<= 1.05x"),
        ]

    def ready(self) -> list[Row]:
        """From the start until it answers that it is ready, with runs in the store and without."""
        used, _ = self.much_used()
        empty, seen = self.peers.amflow("empty", LOG), Seen()
        for number in range(3 * self.place.rounds + 1):
            took = {}
            for name, server in (("used", used), ("empty", empty)):
                took[name] = server.start()
                server.stop()
            if number > 0:
                seen.note(**took)
        name = f"start to ready, {DELIVERIES:,} runs in the store"
        return [compared(name, seen.median("used"), seen.median("empty"), "with none", seconds, "<= 2x")]

    def much_used(self) -> tuple[Server, list[int]]:
        if not self.used:
            server, clients = self.peers.amflow("used", LOG), self.peers.clients(16)
            with running(server):
                memory = [at_rest(server)]
                for _ in range(2):
                    bodies = self.peers.bodies(DELIVERIES // 2)
                    clients.post(server, bodies).all_were_taken()
                    bodies.unlink()
                    until(lambda: server.metric("amflow_runs_going") == 0, "all runs are over")
                    memory.append(at_rest(server))
                assert server.metric("amflow_runs_total") == DELIVERIES
            self.used = server, memory
        return self.used

    def kill(self) -> list[Row]:
        """200 webhooks, of which some were answered and some commands ran when the server was killed."""
        lines, told = self.place.directory / "lines", {}
        append = f'sleep 0.2; echo "{ARGUMENT}" >> {lines}'
        mine = append.replace(ARGUMENT, NUMBER)
        # Whether a command that was interrupted had done its work, only its author can tell.
        mend = f'grep -qx "{NUMBER}" {lines} || echo "{NUMBER}" >> {lines}'
        steps = f"steps:\n  - shell: '{mine}'\non_failure:\n  - shell: '{mend}'\n"
        rounds = min(self.place.rounds, 3)
        for number, commands in enumerate([False, True] * rounds):
            amflow = self.peers.amflow(f"kill-{number}", steps, parallel=32)
            for server in (amflow, self.peers.webhook(append, True), self.peers.webhook(append, False)):
                lines.write_text("")
                told.setdefault(server.name, Counter()).update(self.killed(server, commands, lines))
        (_, mine), *others = told.items()
        against = "; ".join(f"{counts['lost']} and {counts['twice']} {name}" for name, counts in others)
        name = f"kill -9 among 200 in flight, {2 * rounds} times, sent again: lost and twice"
        reached = mine["lost"] == 0 and mine["twice"] == 0
        return [Row(name, f"{mine['lost']} and {mine['twice']}", against, "", "0 and 0", reached)]

    def killed(self, server: Server, commands: bool, lines: Path) -> dict[str, int]:
        """Kills a server in the middle of its work, starts it again, and sends again what was not answered.

        With `commands` the commands that it had started are killed, too, as when a machine or a container goes down.
        """
        count, clients, bodies = 200, self.peers.clients(32), self.peers.bodies(200)
        told: list[Posts] = []
        posting = threading.Thread(target=lambda: told.append(clients.post(server, bodies)))
        with running(server):
            posting.start()
            until(lambda: lines.read_text().count("\n") >= count // 4, "a quarter of the lines is written")
            server.kill(commands)
            posting.join()
            server.start(again=True)
            texts = bodies.read_text().splitlines(keepends=True)
            bodies.write_text("".join(text for text, status in zip(texts, told[0].status) if status != 200))
            if bodies.stat().st_size:
                clients.post(server, bodies).all_were_taken()
            seen = settled(lambda: Counter(lines.read_text().split()), 3)
        bodies.unlink()
        return {"lost": count - len(seen), "twice": sum(times > 1 for times in seen.values())}


def at_rest(server: Server) -> int:
    """Returns the resident memory of a server when it no longer changes."""
    return settled(server.memory, 2)


def settled(look, seconds_alike: float):
    """Looks until what is seen has stayed the same for some seconds."""
    seen, since, begun = look(), time.monotonic(), time.monotonic()
    while time.monotonic() - since < seconds_alike and time.monotonic() - begun < PATIENCE:
        time.sleep(0.1)
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
    return seen


def until(holds, what: str) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < 10 * PATIENCE, f"it never came to pass that {what}"
        time.sleep(0.01)
