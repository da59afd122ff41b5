//! `shell`: a script for a shell; values reach it as variables, never as text of the script.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::action::{Action, ActionContext, Needs, StepError};
use super::command::{CommandOptions, ExpectSpec, LimitsSpec, perform};
use super::compiler::Compiler;
use super::effect::{Effect, Reply, TextOrSecret};
use super::effect_kind;
use super::kind::StepKind;
use super::outcome::{FailureReason, IfLost, Memo, Move};
use super::output::COMMAND_FIELDS;
use super::spec::{Name, Script, SizeText, Template, short_or};
use crate::template::{Dialect, ShellTemplate, is_interpreter};
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "shell",
    summary: "runs a script with `/bin/sh -eu`, or with bash",
    docs: "A value never becomes text of the script: each hole is a variable of the environment, quoted for the place \
        where it stands, so `{{ alert.labels.instance }}` needs no quotes and is one word. Places where no value can \
        stand safely (the name of a command, backticks, `eval`, the program text of `awk` ...) are refused with \
        their position. Text for another shell, as of `ssh`, ends with `| shq`.\n\nThe script ends at the first \
        command that fails (`-e`), and a variable without a value is an error (`-u`); with bash a pipe fails when \
        any part of it does. Where nothing of a shell is needed, `exec` is the better step.\n\nIt finds every name \
        that templates see as JSON in the file `$AMFLOW_CONTEXT`; `key=value` lines that it writes to the file \
        `$AMFLOW_OUTPUT` become `outputs`.",
    example: "shell: |\n  df --output=pcent {{ alert.labels.mountpoint }} | tail -n 1\n  echo \"host={{ alert.labels.instance | host }}\" >> \"$AMFLOW_OUTPUT\"",
    outputs: COMMAND_FIELDS,
    schema,
    compile,
    takes_env: true,
};

/// A script and what it is given.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct ShellSpec {
    /// The script.
    script: Script,
    /// The shell: `sh`, `dash` or `bash`, or the path of one of them. Default: `/bin/sh`.
    interpreter: Option<Name>,
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
    short_or::<Script, ShellSpec>(generator)
}

/// The most bytes of a script: Linux takes 128 KiB in one argument (`MAX_ARG_STRLEN`), with its NUL.
const LONGEST_SCRIPT: usize = 120 << 10;

#[derive(Debug)]
struct Shell {
    /// The interpreter and its options, up to `-c`.
    interpreter: Vec<String>,
    script: ShellTemplate,
    options: CommandOptions,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    let (interpreter, dialect) = compile_interpreter(node.get("interpreter"), compiler)?;
    let script_node = node.get("script").unwrap_or(node);
    let script = compiler.shell("script", script_node, dialect);
    let options = CommandOptions::compile(node, compiler);
    for (name, becomes) in script.iter().flat_map(ShellTemplate::variables_read_as_code) {
        let hint = "use the variable as data: as an argument, in quotes, and in no arithmetic";
        compiler.must_trust_field(&format!("env.{name}"), "env-evaluated", becomes, hint);
    }
    if let (Some(stdin), Some(becomes)) =
        (node.get("stdin"), script.as_ref().and_then(ShellTemplate::input_read_as_code))
    {
        let hint =
            "let the script use what it reads as data: as an argument, in quotes, and in no arithmetic";
        compiler.must_trust_use_at(stdin.span, "stdin-code", becomes, hint);
    } else if let (Some(stdin), Some(source)) = (node.get("stdin"), script_node.as_str())
        && let Some(program) = reader_in(source)
    {
        compiler.stdin_is_code(stdin, program);
    }
    if script_node.as_str().is_some_and(|source| source.len() > LONGEST_SCRIPT) {
        let hint = "put it into a file, and call that";
        compiler.error("shell-too-long", script_node.span, "the script is longer than 120 KiB", Some(hint));
        return None;
    }
    Some(Box::new(Shell { interpreter, script: script?, options: options? }))
}

/// Reads which shell it is.
fn compile_interpreter(node: Option<&Node>, compiler: &mut Compiler<'_>) -> Option<(Vec<String>, Dialect)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let Some(node) = node else { return Some((words(&["/bin/sh", "-eu", "-c"]), Dialect::Posix)) };
    let name = compiler.name("interpreter", node)?;
    match name.rsplit('/').next().unwrap_or_default() {
        "sh" if name == "sh" => Some((words(&["/bin/sh", "-eu", "-c"]), Dialect::Posix)),
        "sh" | "dash" => Some((words(&[&name, "-eu", "-c"]), Dialect::Posix)),
        "bash" => Some((words(&[&name, "-euo", "pipefail", "-c"]), Dialect::Bash)),
        _ => {
            let message = format!("`{name}` is no shell whose scripts amflow can read");
            let hint = "`sh`, `dash` and `bash` are; run another program by `exec` with the script in a file";
            compiler.error("shell-interpreter", node.span, message, Some(hint));
            None
        }
    }
}

/// Returns a program named in a script that would read standard input as program text.
fn reader_in(script: &str) -> Option<&str> {
    let breaks = |c: char| c.is_whitespace() || ";|&(){}<>\"'`$".contains(c);
    script.split(breaks).find(|word| is_interpreter(word))
}

impl Action for Shell {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        if let Some(reply) = last {
            return Ok(self.options.judge(reply));
        }
        let filled = self.script.render(cx.scope).map_err(|error| StepError::template("script", &error))?;
        if filled.script.len() > LONGEST_SCRIPT {
            return Err(StepError::new(FailureReason::Template, "script: becomes longer than 120 KiB"));
        }
        let mut argv = self.interpreter.clone();
        argv.extend([filled.script, "amflow".to_owned()]);
        let mut command = self.options.effect(argv, cx)?;
        let variables = filled.variables.into_iter();
        command.env.extend(variables.map(|(name, value)| (name, TextOrSecret::Text(value))));
        Ok(perform(Effect::Command(command), IfLost::Fail))
    }

    fn summary(&self) -> String {
        let mut lines = self.script.source().lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let more = if lines.next().is_some() { " ..." } else { "" };
        format!("run the script {first}{more}")
    }

    fn effect_kind(&self) -> Option<String> {
        Some(effect_kind::of_command(self.interpreter.first().map(String::as_str)))
    }

    fn needs(&self, needs: &mut Needs) {
        self.options.needs(needs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, compiled, done, must_trust, problems};
    use crate::step::{CommandEffect, Exited, Outcome};
    use serde_json::json;

    fn command_of(step: &str) -> CommandEffect {
        match advance(&*compiled(step), &Memo::Null, None) {
            Move::Do { effect: Effect::Command(command), if_lost: IfLost::Fail, .. } => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_variables_and_never_text_of_the_script() {
        let command = command_of("shell: echo {{ alert.labels.instance }} \"{{ alert.labels.evil }}\"");
        assert_eq!(command.argv[..3], ["/bin/sh", "-eu", "-c"]);
        assert_eq!((command.argv.len(), command.argv[4].as_str()), (5, "amflow"));
        assert!(!command.argv[3].contains("db1") && !command.argv[3].contains("id"), "{}", command.argv[3]);
        let values: Vec<_> = command.env.values().cloned().collect();
        let text = |text: &str| TextOrSecret::Text(text.to_owned());
        assert_eq!(values, [text("db1:9100"), text("$(id) `id` '\"; -x")]);
    }

    #[test]
    fn the_shell_can_be_chosen() {
        for (step, expected) in [
            (
                "shell: {script: 'true', interpreter: bash}",
                ["bash", "-euo", "pipefail", "-c", "true", "amflow"].as_slice(),
            ),
            (
                "shell: {script: 'true', interpreter: /usr/bin/dash}",
                &["/usr/bin/dash", "-eu", "-c", "true", "amflow"],
            ),
            ("shell: {script: 'true', interpreter: sh}", &["/bin/sh", "-eu", "-c", "true", "amflow"]),
        ] {
            assert_eq!(command_of(step).argv, expected, "{step}");
        }
    }

    #[test]
    fn its_end_is_that_of_a_command() {
        let exited = Exited { exit_code: Some(1), stderr: "no\n".into(), ..Exited::default() };
        let (outcome, output) =
            done(advance(&*compiled("shell: 'false'"), &Memo::Null, Some(&Reply::Exited(exited))));
        assert_eq!(outcome, Outcome::failed(FailureReason::ExitCode, "exit code 1: no"));
        assert_eq!(output["stderr"], json!("no\n"));
    }

    #[test]
    fn what_strangers_wrote_must_not_become_script() {
        let names = |step: &str| must_trust(step).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("shell: echo {{ alert.labels.n }}"), Vec::<String>::new());
        assert_eq!(names("shell: '{{ vars.command | raw }}'"), ["vars.command"]);
        assert_eq!(
            names("shell: {script: 'psql db', stdin: 'select {{ alert.labels.n }}'}"),
            ["alert.labels.n"]
        );
        assert_eq!(names("shell: {script: 'sort', stdin: '{{ alert.labels.n }}'}"), Vec::<String>::new());
        assert_eq!(
            names("shell: {script: 'echo $((N + 1))', interpreter: bash}\nenv: {N: '{{ alert.labels.n }}'}"),
            ["alert.labels.n"]
        );
        for script in [
            "eval \"$N\"",
            "$N -x",
            "a=$N; sh -c \"$a\"",
            "echo \"$N\" | sh",
            "sh -c 'eval \"$N\"'",
            "echo $N > f; . ./f",
        ] {
            let step =
                format!("shell: {}\nenv: {{N: '{{{{ alert.labels.n }}}}'}}", serde_json::json!(script));
            assert_eq!(names(&step), ["alert.labels.n"], "{script}");
        }
        for script in [
            "read a; eval \"$a\"",
            "a=$(cat); $a",
            ". /dev/stdin",
            "while read a; do $a; done",
            "tee f; sh f",
        ] {
            let stdin = "{{ alert.labels.n }}";
            let step = format!("shell: {}", serde_json::json!({"script": script, "stdin": stdin}));
            assert_eq!(names(&step), ["alert.labels.n"], "{script}");
        }
        assert_eq!(
            names("shell: 'printf \"%s\" \"$N\" | logger; ls \"$N\"'\nenv: {N: '{{ alert.labels.n }}'}"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn places_without_a_safe_spelling_are_problems() {
        for (step, code) in [
            ("shell: 'eval {{ alert.labels.n }}'", "shell-"),
            ("shell: '{{ alert.labels.n }} -x'", "shell-command-position"),
            ("shell: {script: 'true', interpreter: python3}", "shell-interpreter"),
            ("shell: {script: 'echo {{ x'}", "template-syntax"),
            ("shell: {}", "missing-key"),
        ] {
            let found = problems(step);
            assert!(found.iter().any(|found| found.starts_with(code)), "{step}: {found:?}");
        }
    }
}
