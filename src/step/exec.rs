//! `exec`: a program with its arguments, without a shell: one template, one argument.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::action::{Action, ActionContext, Needs, StepError};
use super::command::{CommandOptions, ExpectSpec, LimitsSpec, perform};
use super::compiler::Compiler;
use super::effect::{Effect, Reply};
use super::effect_kind;
use super::kind::StepKind;
use super::outcome::{FailureReason, IfLost, Memo, Move};
use super::output::COMMAND_FIELDS;
use super::spec::{SizeText, Template, short_or};
use crate::template::{ArgvReading, TextTemplate};
use crate::text::{Node, NodeKind};

pub(super) const KIND: StepKind = StepKind {
    name: "exec",
    summary: "runs a program with its arguments, without a shell: the recommended way to run a command",
    docs: "Each item of the list is one argument, whatever a value holds; an item that is one hole with a list \
        becomes as many arguments as the list has items. The program runs where amflow runs: another host is \
        reached by `ssh`, `kubectl` or an API. It finds every name that templates see as JSON in the file \
        `$AMFLOW_CONTEXT`, and `key=value` lines that it writes to the file `$AMFLOW_OUTPUT` become `outputs`.\n\n\
        Programs that read program text (`sh -c`, `ssh`, `python -c`, `psql -c`, `awk` ...) get values that came \
        from outside only as separate arguments or, for a shell, with `| shq`. A value at the start of an argument \
        that begins with `-` is refused, because it would be taken for an option: write `--` before it, or end the \
        hole with `| dash_ok`.",
    example: "exec: [ssh, \"--\", \"{{ alert.labels.instance | host }}\", df, \"{{ alert.labels.mountpoint | shq }}\"]",
    outputs: COMMAND_FIELDS,
    schema,
    compile,
    takes_env: true,
};

/// A program, its arguments and what it is given.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct ExecSpec {
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    argv: Vec<Template>,
    /// Standard input. Default: `/dev/null`.
    stdin: Option<Template>,
    /// The directory in which it runs.
    directory: Option<Template>,
    /// Bytes kept of standard output and of standard error, each: head and tail. Default: `64K`.
    output_limit: Option<SizeText>,
    /// Limits on what it may use.
    limits: Option<LimitsSpec>,
    /// What counts as success.
    expect: Option<ExpectSpec>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    short_or::<Vec<Template>, ExecSpec>(generator)
}

#[derive(Debug)]
struct Exec {
    argv: Vec<TextTemplate>,
    reading: Arc<ArgvReading>,
    options: CommandOptions,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let list = node.get("argv").unwrap_or(node);
    if matches!(list.kind, NodeKind::Sequence(_)) && list.items().is_empty() && !list.is_broken() {
        let hint = "write a list: `[systemctl, restart, nginx]`";
        compiler.error("exec-empty", list.span, "a program is missing here", Some(hint));
    }
    let argv: Vec<Option<TextTemplate>> = list
        .items()
        .iter()
        .enumerate()
        .map(|(at, item)| compiler.argument(&format!("argv[{at}]"), item))
        .collect();
    let options = CommandOptions::compile(node, compiler);
    let argv: Vec<TextTemplate> = argv.into_iter().collect::<Option<_>>()?;
    let reading = ArgvReading::of(&argv);
    for found in reading.read_as_code() {
        let item = &list.items()[found.argument];
        let becomes = if found.argument == 0 {
            "the program that is run".to_owned()
        } else {
            format!("code: {}", found.message)
        };
        compiler.must_trust(item, &found.references, "exec-code", &becomes, &found.hint);
    }
    for (name, becomes) in reading.variables_read_as_code() {
        let hint = "let the program use the variable as data";
        compiler.must_trust_field(&format!("env.{name}"), "env-evaluated", becomes, hint);
    }
    if let Some(stdin) = node.get("stdin").filter(|_| reading.reads_input()) {
        compiler.stdin_is_code(stdin, argv[0].source());
    }
    if argv.is_empty() {
        return None;
    }
    Some(Box::new(Exec { argv, reading, options: options? }))
}

impl Action for Exec {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        if let Some(reply) = last {
            return Ok(self.options.judge(reply));
        }
        let mut argv = Vec::with_capacity(self.argv.len());
        for (at, argument) in self.argv.iter().enumerate() {
            let arguments = argument.render_arguments(cx.scope).and_then(|arguments| {
                arguments.iter().try_for_each(|text| self.reading.check_dash(at, text))?;
                Ok(arguments)
            });
            argv.extend(arguments.map_err(|error| StepError::template(&format!("argv[{at}]"), &error))?);
        }
        if argv.first().is_none_or(String::is_empty) {
            return Err(StepError::new(FailureReason::NotStarted, "argv[0]: no program is left to run"));
        }
        let effect = self.options.effect(argv, cx)?;
        Ok(perform(Effect::Command(effect), IfLost::Fail))
    }

    fn summary(&self) -> String {
        let words: Vec<&str> = self.argv.iter().map(TextTemplate::source).collect();
        format!("run {}", words.join(" "))
    }

    fn effect_kind(&self) -> Option<String> {
        let program = self.argv.first().filter(|program| program.is_constant());
        Some(effect_kind::of_command(program.map(TextTemplate::source)))
    }

    fn needs(&self, needs: &mut Needs) {
        self.options.needs(needs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, advance_result, compiled, done, must_trust, problems};
    use crate::step::{CommandEffect, Exited, Outcome, TextOrSecret};
    use serde_json::json;

    fn command_of(step: &str) -> CommandEffect {
        match advance(&*compiled(step), &Memo::Null, None) {
            Move::Do { effect: Effect::Command(command), if_lost, .. } => {
                assert_eq!(if_lost, IfLost::Fail);
                command
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_template_is_one_argument_and_a_list_becomes_several() {
        let command = command_of(
            "exec: [tool, '--at={{ alert.labels.instance }}', '{{ alert.labels.evil }}', '{{ vars.hosts }}', 'a b']",
        );
        assert_eq!(command.argv, ["tool", "--at=db1:9100", "$(id) `id` '\"; -x", "a", "b", "a b"]);
        assert_eq!(command.stdin, None);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&command.context.unwrap()).unwrap()["alert"]["labels"]
                ["n"],
            json!("7")
        );
        assert!(command.outputs);
    }

    #[test]
    fn a_command_is_given_what_was_written() {
        let command = command_of(
            "exec: {argv: [sort], stdin: '{{ vars.keep }}', directory: /tmp, output_limit: 1K, limits: {cpu: 10s, memory: 1M, user: nobody}}\nenv: {A: '{{ alert.labels.evil }}', TOKEN: {secret: api}}",
        );
        assert_eq!((command.stdin.as_deref(), command.directory.as_deref()), (Some("500M"), Some("/tmp")));
        assert_eq!((command.limits.cpu_seconds, command.limits.memory_bytes), (Some(10), Some(1 << 20)));
        assert_eq!((command.output_limit, command.limits.user.as_deref()), (1024, Some("nobody")));
        assert_eq!(command.env["A"], TextOrSecret::Text("$(id) `id` '\"; -x".to_owned()));
        assert_eq!(command.env["TOKEN"], TextOrSecret::Secret("api".to_owned()));
    }

    #[test]
    fn ends_of_commands_are_told_apart() {
        let exited = |code, signal, stderr: &str| {
            Reply::Exited(Exited { exit_code: code, signal, stderr: stderr.into(), ..Exited::default() })
        };
        let plain = compiled("exec: [tool]");
        let lax = compiled("exec: {argv: [tool], expect: {exit_code: [0, 3]}}");
        for (action, reply, expected) in [
            (&plain, exited(Some(0), None, "warning"), Outcome::Succeeded),
            (
                &plain,
                exited(Some(3), None, "x\nno space\n"),
                Outcome::failed(FailureReason::ExitCode, "exit code 3: no space"),
            ),
            (&lax, exited(Some(3), None, ""), Outcome::Succeeded),
            (
                &plain,
                exited(None, Some(9), ""),
                Outcome::failed(FailureReason::Signal, "ended by signal 9 (SIGKILL)"),
            ),
            (&plain, Reply::TimedOut { limit_ms: 7, output: None }, Outcome::TimedOut { limit_ms: 7 }),
            (&plain, Reply::Stopped { output: None }, Outcome::Cancelled),
            (
                &plain,
                Reply::Impossible {
                    message: "no such program".to_owned(),
                    retryable: false,
                    untouched: true,
                },
                Outcome::failed_for_good(FailureReason::NotStarted, "no such program"),
            ),
        ] {
            assert_eq!(done(advance(&**action, &Memo::Null, Some(&reply))).0, expected, "{reply:?}");
        }
        let output = Exited { stdout: "so far".into(), ..Exited::default() };
        let late = Reply::TimedOut { limit_ms: 7, output: Some(Box::new(output)) };
        assert_eq!(done(advance(&*plain, &Memo::Null, Some(&late))).1["stdout"], json!("so far"));
    }

    #[test]
    fn what_strangers_wrote_must_not_become_program_text() {
        let label = |becomes: &str| vec![("alert.labels.n".to_owned(), becomes.to_owned())];
        for (step, expected) in [
            ("exec: [echo, '{{ alert.labels.n }}']", vec![]),
            ("exec: ['{{ alert.labels.n }}']", label("the program that is run")),
            (
                "exec: [sh, -c, 'echo {{ alert.labels.n }}']",
                label("code: another shell reads this value again, as script"),
            ),
            ("exec: [sh, -c, 'echo {{ alert.labels.n | shq }}']", vec![]),
            ("exec: [sh, -c, 'echo \"$1\"', name, '{{ alert.labels.n }}']", vec![]),
            (
                "exec: [sh, -c, 'eval \"$1\"', name, '{{ alert.labels.n }}']",
                label("code: this flows through `$1` into `eval`, as code"),
            ),
            (
                "exec: [sh, -c, '\"$@\"', name, '{{ alert.labels.n }}']",
                label("code: this flows through `$1` to where a command is named"),
            ),
            (
                "exec: [sh, -c, 'eval \"$N\"']\nenv: {N: '{{ alert.labels.n }}'}",
                label("code, as which `eval` reads `$N`"),
            ),
            (
                "exec: [tar, -I, '{{ alert.labels.n }}', -cf, a.tar, a]",
                label("code: an option of `tar` could run a program"),
            ),
            (
                "exec: [python3, -c, 'print({{ alert.labels.n | shq }})']",
                label("code: `python3` reads this as code in a language of its own"),
            ),
            ("exec: [ssh, --, '{{ alert.labels.n }}', df, '{{ alert.labels.n | shq }}']", vec![]),
            (
                "exec: [ssh, --, host, df, '{{ alert.labels.n }}']",
                label("code: another shell reads this value again, as script"),
            ),
            (
                "exec: {argv: [psql], stdin: 'select {{ alert.labels.n }}'}",
                label("code: `psql` reads its standard input as program text"),
            ),
            ("exec: {argv: [sort], stdin: '{{ alert.labels.n }}'}", vec![]),
            (
                "exec: {argv: [ls], directory: '/a/{{ alert.labels.n }}'}",
                label("the directory in which the command runs"),
            ),
            (
                "exec: [ls]\nenv: {LD_PRELOAD: '{{ alert.labels.n }}'}",
                label("the variable `LD_PRELOAD`, which decides what other programs run"),
            ),
        ] {
            assert_eq!(must_trust(step), expected, "{step}");
        }
    }

    #[test]
    fn what_makes_no_command_is_a_problem() {
        for (step, code) in [
            ("exec: []", "exec-empty"),
            ("exec: {stdin: x}", "missing-key"),
            ("exec: [ls]\nenv: {A-B: x}", "env-name"),
            ("exec: [ls]\nenv: {AMFLOW_RUN: x}", "env-name"),
            ("exec: {argv: [ls], output_limit: 1T}", "size"),
            ("exec: {argv: [ls], expect: {exit_code: 256}}", "number"),
            ("exec: [ls, '{{ x']", "template-syntax"),
            ("log: x\nenv: {A: b}", "step-env"),
        ] {
            let found = problems(step);
            assert!(found.iter().any(|found| found.starts_with(code)), "{step}: {found:?}");
        }
        let error = advance_result(&*compiled("exec: ['{{ vars.none | default([]) }}']"), &Memo::Null, None);
        assert_eq!(error.map_err(|error| error.reason), Err(FailureReason::NotStarted));
    }
}
