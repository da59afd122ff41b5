"""The servers that are compared: `amflow serve`, adnanh/webhook, and the least that a receiver can do."""

import json
import shutil
from pathlib import Path

import inputs
from harness import Place
from servers import Clients, Server

# Nothing holds runs back: the peers know no limits.
UNLIMITED = "limits: {running: none, starts: none}\nserver: {queue: 1000000}\n"
PLAYBOOK = """version: 1
name: bench
matchers:
  - alertname = Bench
limits: {cooldown: none, rate: none, targets: none, breaker: none, max_comebacks: none}
"""
# The number of a body, in a playbook of amflow and in a command of webhook.
NUMBER, ARGUMENT = "{{ alert.labels.body }}", "$1"


class Peers:
    """Makes servers, their clients and what is posted."""

    def __init__(self, place: Place) -> None:
        self.place, self.directory, self.alerts = place, place.directory, 0

    def amflow(self, name: str, rest: str, parallel: int = 16) -> Server:
        """Makes a server of amflow with an empty store; `rest` is of its playbook."""
        directory = self.directory / f"serve-{name}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        (directory / "amflow.yaml").write_text(UNLIMITED)
        (directory / "playbook.yaml").write_text(PLAYBOOK + rest)
        command = [self.place.program("amflow"), "serve", "--config", str(directory / "amflow.yaml"), "-p",
                   str(directory / "playbook.yaml"), "--store", str(directory / "store"), "--web.listen-address",
                   "ADDRESS", "--poll-interval", "none", "--parallel", str(parallel), "--drain-timeout", "1s"]
        return Server("amflow", command, "/webhook", "/-/ready")

    def webhook(self, command: str, synchronous: bool) -> Server:
        """Makes a server of adnanh/webhook: it answers at once or, when it is synchronous, after the command."""
        hooks = self.directory / f"hooks-{synchronous}.json"

        def word(text: str) -> dict:
            return {"source": "string", "name": text}

        number = {"source": "payload", "name": "alerts.0.labels.body"}
        hooks.write_text(json.dumps([{
            "id": "bench", "execute-command": "/bin/sh", "include-command-output-in-response": synchronous,
            "pass-arguments-to-command": [word("-c"), word(command), word("sh"), number],
        }]))
        argv = ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", "PORT"]
        return Server("webhook, synchronous" if synchronous else "webhook", argv, "/hooks/bench", "/")

    def bare(self) -> Server:
        """Makes a server that reads webhooks and does nothing with them."""
        argv = [self.place.program("bare_receive"), "serve", "ADDRESS"]
        return Server("bare receive", argv, "/webhook", "/-/ready")

    def clients(self, count: int) -> Clients:
        return Clients(self.place.program("post"), count)

    def bodies(self, count: int, alerts: int = 1) -> Path:
        """Writes webhooks of alerts that none before has brought."""
        path = self.directory / f"bodies-{self.alerts}"
        inputs.write_webhooks(path, count, alerts, first=self.alerts, alertname="Bench")
        self.alerts += count * alerts
        return path
