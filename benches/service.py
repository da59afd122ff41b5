"""The benchmarks of what `amflow serve` takes in, and how fast it works on it."""

import os
import subprocess
from collections.abc import Callable

from harness import ENVIRONMENT, Place, Row, compared, mebibytes, seconds
from peers import ARGUMENT, NUMBER, Peers
from servers import Seen, Server, running

# One run is under way and does not end; all others wait for their turn.
BUSY = "group_by: [alertname]\nsteps:\n  - shell: sleep 600\n"


class Service:
    """Benchmarks of deliveries and of their way to a command."""

    names = ("commands", "acknowledge", "large")

    def __init__(self, place: Place) -> None:
        self.place, self.peers = place, Peers(place)

    def commands(self) -> list[Row]:
        """500 webhooks of one alert, each of which starts a command that appends a line."""
        peers, count, pipe = self.peers, 500, self.place.directory / "pipe"
        os.mkfifo(pipe)
        append = f'echo "{ARGUMENT}" >> {pipe}'
        steps = f"steps:\n  - shell: '{append.replace(ARGUMENT, NUMBER)}'\n"
        servers = [peers.amflow("commands", steps), peers.webhook(append, True), peers.webhook(append, False)]
        seen, clients = {server.name: Seen() for server in servers}, peers.clients(16)
        with running(*servers):
            for number in range(self.place.rounds + 1):
                bodies = peers.bodies(count)
                for server in servers:
                    before = server.cpu()
                    posts = clients.post(server, bodies, pipe)
                    used = server.cpu() - before
                    posts.all_were_taken()
                    # The first time is for caches.
                    if number > 0:
                        figures = {"rate": posts.written_a_second(), "p99": posts.p99_to_written(), "cpu": used / count}
                        seen[server.name].note(**figures)

        def against(name: str, what: str, show: Callable[[float], str], *target: str) -> list[Row]:
            mine, *others = seen.items()
            rows = [compared("", mine[1].median(what), other.median(what), peer, show, limit)
                    for (peer, other), limit in zip(others, target)]
            rows[0].benchmark = name
            return rows

        name = f"{count} webhooks, 16 clients, a `shell` step each, durable"
        return [
            *against(name, "rate", a_second, ">= 1.0x", ">= 1.0x"),
            *against("  p99 from POST to line written", "p99", seconds, "<= 1.5x"),
            *against("  cpu of a command", "cpu", seconds, "<= 1.3x", "<= 1.3x"),
        ]

    def acknowledge(self) -> list[Row]:
        """Webhooks of 10 alerts, each claimed by a run that waits for its turn."""
        peers, count = self.peers, 10_000
        mine, bare, clients = peers.amflow("acknowledge", BUSY, parallel=1), peers.bare(), peers.clients(32)
        seen = {server.name: Seen() for server in (bare, mine)}
        with running(bare, mine):
            self.occupy(mine)
            for number in range(self.place.rounds + 1):
                bodies = peers.bodies(count, alerts=10)
                before = mine.metric("amflow_store_commits_total")
                for server in (bare, mine):
                    posts = clients.post(server, bodies)
                    posts.all_were_taken()
                    if number > 0:
                        seen[server.name].note(rate=posts.answered_a_second())
                commits = mine.metric("amflow_store_commits_total") - before
                seen[mine.name].note(commits=commits / count)
                bodies.unlink()
        mine, bare = seen[mine.name], seen[bare.name]
        commits, name = mine.median("commits"), f"{count:,} webhooks of 10 alerts, 32 clients, claims durable"
        return [
            compared(name, mine.median("rate"), bare.median("rate"), "bare receive", a_second, ">= 0.4x"),
            Row("  commits a webhook", f"{commits:.3f}", "", "", "<= 0.2", commits <= 0.2),
        ]

    def large(self) -> list[Row]:
        """One webhook of 10,000 alerts, all claimed by one run, against reading it."""
        peers, count, seen, size = self.peers, 10_000, Seen(), 0
        mine = peers.amflow("large", BUSY, parallel=1)
        with running(mine):
            self.occupy(mine)
            for number in range(self.place.rounds + 1):
                body = peers.bodies(1, alerts=count)
                size = body.stat().st_size
                posts = peers.clients(1).post(mine, body)
                posts.all_were_taken()
                command = [self.place.program("bare_receive"), "parse", str(body)]
                parsed = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)
                if number > 0:
                    seen.note(mine=posts.answered[0], parsing=float(parsed.stdout))
                body.unlink()
        name = f"one webhook of {count:,} alerts ({mebibytes(size)}), claims durable"
        return [compared(name, seen.median("mine"), seen.median("parsing"), "serde_json", seconds, "<= 3x")]

    def occupy(self, server: Server) -> None:
        """Lets a server work on one run, so that all others wait for their turn."""
        self.peers.clients(1).post(server, self.peers.bodies(1)).all_were_taken()


def a_second(value: float) -> str:
    return f"{value:,.0f}/s"
