"""The inputs of the benchmarks: the same bytes every time, whatever the machine.

Alerts look as Alertmanager's API v2 writes them, about 630 bytes each; playbooks and rules look as people write them:
most name one alertname, some a regular expression, nearly all have a second and third matcher.
"""

import json
import random
from pathlib import Path

SEVERITIES = ["critical", "warning", "info", "page"]
TEAMS = ["storage", "network", "platform", "payments", "search", "data"]
SUBJECTS = ["Node", "Kube", "Postgres", "Redis", "Nginx", "Kafka", "Etcd", "Disk", "Ingress", "Probe"]
TROUBLES = ["Down", "SlowQueries", "HighLatency", "ErrorBudgetBurn", "AlmostFull", "CrashLooping", "Lagging",
            "CertificateExpiry", "ReplicationBroken", "OutOfMemory"]
NAMES = [subject + trouble for subject in SUBJECTS for trouble in TROUBLES]


def alert(number: int, chance: random.Random, **labels: str) -> dict:
    """Makes one alert; labels that are given replace those by chance."""
    name = chance.choice(NAMES)
    instance = f"{chance.choice(TEAMS)}-{chance.randrange(4000)}:9100"
    all_labels = {
        "alertname": name,
        "cluster": f"cluster-{chance.randrange(36)}",
        "instance": instance,
        "job": f"job-{chance.randrange(40)}",
        "namespace": f"namespace-{chance.randrange(200)}",
        "number": str(number),
        "severity": chance.choice(SEVERITIES),
        "team": chance.choice(TEAMS),
    } | labels
    start = f"2026-01-{1 + number % 28:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.123Z"
    return {
        "annotations": {
            "description": f"{name} on \"{instance}\" has lasted for 15m.",
            "runbook_url": f"https://runbooks/{name}",
        },
        "endsAt": "2099-01-01T00:00:00.000Z",
        "fingerprint": f"{chance.getrandbits(64):016x}",
        "receivers": [{"name": f"team-{all_labels['team']}"}],
        "startsAt": start,
        "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": "2026-02-01T00:00:00.000Z",
        "generatorURL": f"http://prometheus:9090/graph?g0.expr=up+%3E+{number}&g0.tab=1",
        "labels": dict(sorted(all_labels.items())),
    }


def to_json(value: object) -> str:
    """Writes JSON as Go does: compact, with `&`, `<` and `>` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def write_alerts(path: Path, count: int, **labels: str) -> None:
    chance = random.Random(1)
    with path.open("w") as file:
        for number in range(count):
            file.write("[" if number == 0 else ",")
            file.write(to_json(alert(number, chance, **labels)))
        file.write("]\n")


def webhook(group: int, alerts: list[dict]) -> dict:
    """Makes a webhook of Alertmanager that brings these alerts."""
    kept = ("labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint")
    common = dict(set.intersection(*(set(one["labels"].items()) for one in alerts)))
    name = alerts[0]["labels"]["alertname"]
    return {
        "receiver": "amflow",
        "status": "firing",
        "alerts": [{"status": "firing"} | {key: one[key] for key in kept} for one in alerts],
        "groupLabels": {"alertname": name},
        "commonLabels": dict(sorted(common.items())),
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": f"{{}}/{{group=\"{group}\"}}:{{alertname=\"{name}\"}}",
        "truncatedAlerts": 0,
    }


def write_webhooks(path: Path, count: int, alerts: int, first: int = 0, **labels: str) -> None:
    """Writes webhooks, one a line, of distinct alerts that fire. Label `body` is the line, `number` no other alert has."""
    chance = random.Random(3 + first)
    with path.open("w") as file:
        for body in range(count):
            numbers = range(first + body * alerts, first + (body + 1) * alerts)
            made = [alert(number, chance, body=str(body), **labels) | {"endsAt": "0001-01-01T00:00:00Z"} for number in numbers]
            file.write(to_json(webhook(first + body, made)) + "\n")


class Rule:
    """A list of matchers, as a playbook and as a condition of jq."""

    def __init__(self, name: str, matchers: list[tuple[str, str, str]]) -> None:
        self.name, self.matchers = name, matchers

    def playbook(self) -> str:
        lines = "".join(f"  - {label} {operator} {json.dumps(value)}\n" for label, operator, value in self.matchers)
        return (
            f"version: 1\nname: {self.name}\nowner: platform\nmatchers:\n{lines}"
            "limits: {cooldown: none, rate: none, targets: none, breaker: none, max_comebacks: none}\n"
            "steps:\n"
            '  - exec: [logger, -t, amflow, "--", "{{ alert.labels.alertname }} on {{ alert.labels.instance }}"]\n'
        )

    def jq(self) -> str:
        conditions = []
        for label, operator, value in self.matchers:
            text = json.dumps(value)
            conditions.append({
                "=": f'($l["{label}"] // "") == {text}',
                "!=": f'($l["{label}"] // "") != {text}',
                "=~": f'($l["{label}"] // "" | test({json.dumps(f"^(?:{value})$")}))',
                "!~": f'($l["{label}"] // "" | test({json.dumps(f"^(?:{value})$")}) | not)',
            }[operator])
        return f'(if {" and ".join(conditions)} then [{json.dumps(self.name)}, $l.number] else empty end)'


def rules(count: int) -> list[Rule]:
    """Makes rules, of which the first hundred match about one in a hundred alerts, and the others none.

    The others name alertnames that come, too, but a cluster or a severity that does not, or match parts of names.
    """
    chance = random.Random(2)
    made = []
    for number in range(count):
        name = chance.choice(NAMES)
        kind = number % 20
        if number < 100:
            # Each of these is one cluster of 36 and one severity or two of four, of one alertname of a hundred.
            cluster = f"cluster-{number % 36}"
            severity = ("severity", "=~", "critical|page") if kind % 2 else ("severity", "=", "critical")
            matchers = [("alertname", "=", NAMES[number]), ("cluster", "=", cluster), severity]
            if kind >= 17:
                matchers[0] = ("alertname", "=~", f"{NAMES[number][:-2]}.*")
            if kind % 3 == 0:
                matchers.append(("team", "!=", "search"))
            if kind % 5 == 0:
                matchers.append(("namespace", "!~", "namespace-1.|kube-.*"))
        elif kind < 9:
            matchers = [("alertname", "=", f"Service{number}{name}"), ("severity", "=~", "critical|warning")]
        elif kind < 17:
            matchers = [("alertname", "=", name), ("cluster", "=", f"retired-{number % 97}"), ("team", "!=", "search")]
        else:
            matchers = [("alertname", "=~", f"Service{number}.*|Old{name}"), ("severity", "!=", "info")]
        made.append(Rule(f"rule-{number}", matchers))
    return made


def write_playbooks(directory: Path, made: list[Rule]) -> None:
    """Writes playbooks, a hundred in a file."""
    directory.mkdir()
    for first in range(0, len(made), 100):
        text = "---\n".join(rule.playbook() for rule in made[first:first + 100])
        (directory / f"{first:05d}.yaml").write_text(text)


def write_steps(directory: Path, files: int, steps: int) -> None:
    """Writes playbooks of several kinds of step, each in a file."""
    directory.mkdir()
    for file in range(files):
        text = (
            f"version: 1\nname: playbook-{file}\ndescription: Looks at an instance, and tells what it saw\n"
            f"matchers:\n  - alertname = {NAMES[file % len(NAMES)]}\n  - severity =~ \"critical|page\"\n"
            "vars:\n  host: \"{{ alert.labels.instance | host }}\"\nsteps:\n"
        )
        for step in range(steps):
            text += [
                f"  - id: look{step}\n"
                '    exec: [ssh, -o, BatchMode=yes, "--", "{{ vars.host }}", df, --output=pcent, '
                '"{{ alert.labels.mountpoint | default(\'/\') | shq }}"]\n'
                "    read_only: true\n    timeout: 30s\n    retry: {attempts: 3, backoff: 1s..10s}\n",
                f"  - id: tell{step}\n    when: alert.labels.severity == \"critical\"\n"
                "    shell: |\n      set -f\n      logger -t amflow \"{{ alert.labels.alertname }} on {{ vars.host }}\"\n",
                f"  - id: log{step}\n    http:\n      post: https://wiki.example.com/api/log\n"
                '      json: {host: "{{ vars.host }}", alert: "{{ alert.labels.alertname }}", run: "{{ run.id }}"}\n',
            ][step % 3]
        (directory / f"playbook-{file:03d}.yaml").write_text(text)


def write_prometheus_rules(directory: Path, files: int, count: int) -> None:
    """Writes alerting rules of Prometheus, several in a file."""
    directory.mkdir()
    for file in range(files):
        text = f"groups:\n  - name: group-{file}\n    rules:\n"
        for number in range(count):
            text += (
                f"      - alert: {NAMES[file % len(NAMES)]}{number}\n"
                f"        expr: sum by (instance) (rate(errors_total{{job=\"job-{file}\", code=~\"5..\"}}[5m])) > {number}\n"
                "        for: 5m\n        labels:\n          severity: critical\n          team: platform\n"
                "        annotations:\n          summary: \"Errors on {{ $labels.instance }}\"\n"
                "          description: \"{{ $labels.instance }} has {{ $value | humanize }} errors a second.\"\n"
            )
        (directory / f"rules-{file:03d}.yaml").write_text(text)
