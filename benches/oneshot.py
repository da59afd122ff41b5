"""The benchmarks of commands that come to an end: `plan`, `run`, `validate`; and of the binary."""

import json
import shutil
from pathlib import Path

import inputs
from harness import Place, Program, Row, at_most, in_turns, mebibytes, seconds

# amflow's own configuration: no limit over all playbooks, and nothing taken from this machine.
UNLIMITED = "limits: {running: none, starts: none}\n"
STEP = """version: 1
name: step
matchers:
  - alertname = Step
limits: {cooldown: none, rate: none, targets: none, breaker: none, max_comebacks: none}
steps:
  - KIND
"""


class OneShot:
    """Benchmarks of commands that come to an end."""

    names = ("plan", "stream", "steps", "start", "validate", "size")

    def __init__(self, place: Place) -> None:
        self.amflow, self.bare_read = place.program("amflow"), place.program("bare_read")
        self.directory, self.rounds = place.directory, place.rounds
        self.config = place.directory / "amflow.yaml"
        self.config.write_text(UNLIMITED)

    def plan(self) -> list[Row]:
        """100,000 piped alerts, of which about 1,000 are admitted, against jq, a bare reader, and more playbooks."""
        alerts, made = self.directory / "alerts.json", inputs.rules(10_000)
        inputs.write_alerts(alerts, 100_000)
        filter_file = self.directory / "rules.jq"
        conditions = ",\n".join(rule.jq() for rule in made[:100])
        filter_file.write_text(f".[] | .labels as $l | (\n{conditions})\n")
        jq = Program("jq", ["jq", "-c", "-f", str(filter_file)], alerts)
        matches: set[tuple[str, str]] = set()
        jq.check = lambda out: matches.update(tuple(json.loads(line)) for line in out.splitlines())
        bare = Program("bare read", [self.bare_read], alerts)
        plans = {count: self.plan_program(count, made[:count], alerts, matches) for count in (100, 1_000, 10_000)}
        in_turns(min(self.rounds, 3), jq)
        in_turns(self.rounds, bare, *plans.values())
        mine = plans[100]
        ratio, memory = jq.median("cpu") / mine.median("cpu"), max(figures.memory for figures in mine.seen)
        name = f"plan, 100,000 alerts ({mebibytes(alerts.stat().st_size)}), 100 playbooks, {len(matches)} runs"
        rows = [
            Row(name, f"{seconds(mine.median('cpu'))} cpu", f"{seconds(jq.median('cpu'))} jq", f"{ratio:.0f}x less",
                ">= 20x less", ratio >= 20),
            at_most("", "cpu", mine, bare, 1.5),
            Row("  its peak memory", mebibytes(memory), "", "", "<= 64 MiB", memory <= 64 * 2**20),
        ]
        mine.name = "itself with 100"
        for count, limit in ((1_000, 1.2), (10_000, 2)):
            rows.append(at_most(f"  the same, {count:,} playbooks", "cpu", plans[count], mine, limit))
            rows.append(at_most("", "wall", plans[count], mine, limit))
        return rows

    def plan_program(self, count: int, made: list[inputs.Rule], alerts: Path, matches: set) -> Program:
        directory = self.directory / f"playbooks-{count}"
        inputs.write_playbooks(directory, made)
        argv = [self.amflow, "plan", "-q", "-o", "ndjson", "--config", str(self.config), "-p", str(directory),
                "--store", str(self.directory / "no-store")]

        def check(out: bytes) -> None:
            found = set()
            for record in map(json.loads, out.splitlines()):
                assert record["type"] == "start", record
                number = record["target"].split('number="')[1].split('"')[0]
                found.add((record["playbook"], number))
            assert found == matches, f"amflow would start {len(found)} runs, jq finds {len(matches)} matches"

        return Program(f"amflow with {count}", argv, alerts, check=check)

    def stream(self) -> list[Row]:
        """A list four times as long takes no more memory."""
        peaks = []
        for count in (100_000, 400_000):
            alerts = self.directory / f"unmatched-{count}.json"
            inputs.write_alerts(alerts, count, alertname="Unknown")
            directory = self.directory / "playbooks-100"
            argv = [self.amflow, "plan", "-q", "--config", str(self.config), "-p", str(directory), "--store",
                    str(self.directory / "no-store")]
            program = Program("amflow", argv, alerts)
            in_turns(1, program)
            peaks.append((alerts.stat().st_size, program.seen[0].memory))
            alerts.unlink()
        (small, few), (large, many) = peaks
        name = f"peak memory, {mebibytes(large)} piped, nothing matches"
        return [Row(name, mebibytes(many), f"{mebibytes(few)} for {mebibytes(small)}", f"{many / few:.2f}x", "<= 1.1x",
                    many <= 1.1 * few)]

    def steps(self) -> list[Row]:
        """1,000 runs of one step, journaled and claimed durably, against xargs, which keeps nothing."""
        alerts = self.directory / "thousand.json"
        inputs.write_alerts(alerts, 1_000, alertname="Step")
        numbers = self.directory / "numbers"
        numbers.write_text("".join(f"{number}\n" for number in range(1_000)))
        rows = []
        for kind, other in (("exec: [true]", ["true"]), ("shell: 'true'", ["sh", "-c", "true"])):
            playbook, store = self.directory / "step.yaml", self.directory / "store"
            playbook.write_text(STEP.replace("KIND", kind))
            argv = [self.amflow, "run", "-q", "-o", "json", "--config", str(self.config), "-p", str(playbook),
                    "--store", str(store), "--parallel", "16"]
            # xargs adds the number, which `true` does not look at.
            xargs = Program(f"xargs -P2 -n1 {' '.join(other)}", ["xargs", "-P2", "-n1", *other], numbers)
            mine = Program("amflow", argv, alerts, lambda store=store: shutil.rmtree(store, ignore_errors=True), thousand)
            in_turns(self.rounds, mine, xargs)
            rows.append(at_most(f"1,000 runs of `{kind}`, durable", "wall", mine, xargs, 1.0))
        return rows

    def start(self) -> list[Row]:
        """One piped alert that matches nothing."""
        alert, directory = self.directory / "one.json", self.directory / "ten"
        inputs.write_alerts(alert, 1, alertname="Unknown")
        inputs.write_playbooks(directory, inputs.rules(10))
        mine = Program("amflow", [self.amflow, "run", "-q", "--config", str(self.config), "-p", str(directory),
                                  "--store", str(self.directory / "unused")], alert)
        shell = Program("sh -c true", ["sh", "-c", "true"], alert)
        jq = Program("jq .", ["jq", "."], alert)
        in_turns(20 * self.rounds, shell, mine, jq)
        over = mine.median("wall") - shell.median("wall")
        return [
            Row("run, one alert that matches nothing, 10 playbooks", f"{seconds(mine.median('wall'))} wall",
                f"{seconds(shell.median('wall'))} sh -c true", f"{seconds(over)} over", "<= 10 ms over", over <= 0.01),
            at_most("", "wall", mine, jq, 1.0),
        ]

    def validate(self) -> list[Row]:
        """1,000 steps in 100 files, against promtool on 1,000 rules in 100 files."""
        steps, rules = self.directory / "steps", self.directory / "rules"
        inputs.write_steps(steps, 100, 10)
        inputs.write_prometheus_rules(rules, 100, 10)
        mine = Program("amflow", [self.amflow, "validate", "-q", "--config", str(self.config), str(steps)])
        promtool = Program("promtool", ["promtool", "check", "rules", *map(str, sorted(rules.iterdir()))])
        in_turns(3 * self.rounds, mine, promtool)
        return [at_most("validate, 1,000 steps in 100 files", "wall", mine, promtool, 0.5)]

    def size(self) -> list[Row]:
        """The release binary."""
        size = Path(self.amflow).stat().st_size
        return [Row("size of the binary", f"{size / 1e6:.2f} MB", "", "", "<= 15 MB", size <= 15e6)]


def thousand(out: bytes) -> None:
    statuses = [run["status"] for run in json.loads(out)["runs"]]
    assert statuses == ["succeeded"] * 1_000, f"{statuses.count('succeeded')} of {len(statuses)} runs succeeded"
