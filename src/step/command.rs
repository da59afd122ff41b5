//! What `shell` and `exec` have in common: standard input, directory, environment, limits; what an ended command means.

use std::sync::Arc;

use schemars::JsonSchema;
use serde_json::json;

use super::action::{ActionContext, Needs, StepError};
use super::compiler::Compiler;
use super::effect::{CommandEffect, CommandLimits, DEFAULT_OUTPUT_LIMIT, Effect, Exited, Reply};
use super::outcome::{FailureReason, IfLost, Memo, Move, Outcome};
use super::output::{last_line, of_command};
use super::spec::{DurationText, OneOrMany, SizeText, Template};
use super::values::{TextOr, render_optional};
use crate::template::TextTemplate;
use crate::text::Node;

/// The most output that may be kept of one stream: what is kept is journaled.
pub(super) const MOST_OUTPUT: u64 = 16 << 20;

/// Limits on what a command may use. What is not limited is limited as amflow itself is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
pub(super) struct LimitsSpec {
    /// CPU time.
    cpu: Option<DurationText>,
    /// Memory (address space).
    memory: Option<SizeText>,
    /// The largest file that it may write.
    file_size: Option<SizeText>,
    /// Files that it may have open.
    open_files: Option<u32>,
    /// The user to run as, by name or number; amflow must have the right to change to it.
    user: Option<Template>,
}

/// What counts as success of a command.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
pub(super) struct ExpectSpec {
    /// Exit codes that count as success. Default: 0.
    exit_code: Option<OneOrMany<u8>>,
}

/// What a command has beside its words.
#[derive(Debug)]
pub(super) struct CommandOptions {
    stdin: Option<TextTemplate>,
    directory: Option<TextTemplate>,
    env: Vec<(String, TextOr)>,
    output_limit: usize,
    limits: CommandLimits,
    success: Vec<i32>,
}

impl CommandOptions {
    /// Reads them; `node` is the kind's mapping, or a short form that has none of them.
    pub(super) fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<CommandOptions> {
        let env = compiler.environment();
        let stdin = compiler.optional(node, "stdin", Compiler::stdin);
        let directory = compiler.optional(node, "directory", Compiler::argument);
        if matches!(directory, Some(Some(_))) {
            let hint = "name a directory that the playbook's author wrote";
            compiler.must_trust_all("directory", "the directory in which the command runs", hint);
        }
        let output_limit =
            compiler.optional(node, "output_limit", |c, field, n| c.size(field, n, MOST_OUTPUT));
        let limits = match node.get("limits") {
            Some(limits) => compile_limits(limits, compiler),
            None => Some(CommandLimits::default()),
        };
        let success = compiler.exit_codes(node);
        Some(CommandOptions {
            stdin: stdin?,
            directory: directory?,
            env: env?,
            output_limit: output_limit?
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(DEFAULT_OUTPUT_LIMIT),
            limits: limits?,
            success: success?,
        })
    }

    /// Makes the effect of these words.
    pub(super) fn effect(
        &self,
        argv: Vec<String>,
        cx: &ActionContext<'_>,
    ) -> Result<CommandEffect, StepError> {
        let mut env = std::collections::BTreeMap::new();
        for (name, value) in &self.env {
            env.insert(name.clone(), value.render(&format!("env.{name}"), cx.scope)?);
        }
        Ok(CommandEffect {
            argv,
            env,
            stdin: render_optional("stdin", self.stdin.as_ref(), cx)?,
            directory: render_optional("directory", self.directory.as_ref(), cx)?,
            context: Some(context(cx)),
            outputs: true,
            output_limit: self.output_limit,
            limits: self.limits.clone(),
        })
    }

    /// Returns the move that a reply to the command means.
    pub(super) fn judge(&self, reply: &Reply) -> Move {
        let (outcome, exited) = match reply {
            Reply::Exited(exited) => (self.outcome(exited), Some(exited)),
            Reply::TimedOut { limit_ms, output } => {
                (Outcome::TimedOut { limit_ms: *limit_ms }, output.as_deref())
            }
            Reply::Stopped { output } => (Outcome::Cancelled, output.as_deref()),
            other => (no_reply(other, FailureReason::NotStarted), None),
        };
        Move::ended(outcome, exited.map_or_else(|| json!({}), of_command))
    }

    /// Tells what it needs of the configuration.
    pub(super) fn needs(&self, needs: &mut Needs) {
        self.env.iter().for_each(|(_, value)| value.needs(needs));
    }

    fn outcome(&self, exited: &Exited) -> Outcome {
        let said = last_line(&exited.stderr.text).map_or_else(String::new, |line| format!(": {line}"));
        match (exited.exit_code, exited.signal) {
            (Some(code), _) if self.success.contains(&code) => Outcome::Succeeded,
            (Some(code), _) => Outcome::failed(FailureReason::ExitCode, format!("exit code {code}{said}")),
            (None, Some(signal)) => {
                Outcome::failed(FailureReason::Signal, format!("ended by {}{said}", signal_name(signal)))
            }
            (None, None) => Outcome::failed(FailureReason::Signal, format!("ended by a signal{said}")),
        }
    }
}

/// Makes the move that performs an effect and remembers nothing.
pub(super) fn perform(effect: Effect, if_lost: IfLost) -> Move {
    Move::Do { effect, if_lost, memo: Memo::Null }
}

/// Returns what a reply means that is no answer of the kind that was asked for.
pub(super) fn no_reply(reply: &Reply, reason: FailureReason) -> Outcome {
    match reply {
        Reply::TimedOut { limit_ms, .. } => Outcome::TimedOut { limit_ms: *limit_ms },
        Reply::Stopped { .. } => Outcome::Cancelled,
        Reply::Impossible { message, retryable: true, .. } => Outcome::failed(reason, message.clone()),
        Reply::Impossible { message, retryable: false, .. } => {
            Outcome::failed_for_good(reason, message.clone())
        }
        _ => Outcome::failed_for_good(FailureReason::Unexpected, "an answer to something else"),
    }
}

/// The context that a command finds in the file `$AMFLOW_CONTEXT`: every name that templates see.
fn context(cx: &ActionContext<'_>) -> Arc<str> {
    const NAMES: [&str; 8] = ["alert", "alerts", "group", "run", "steps", "vars", "failed", "item"];
    let mut text = String::with_capacity(2_048);
    for name in NAMES {
        let value = cx.scope.get(name).filter(|value| !value.is_undefined());
        let Some(value) = value.and_then(|value| serde_json::to_string(&value).ok()) else { continue };
        text.push(if text.is_empty() { '{' } else { ',' });
        text.extend(["\"", name, "\":", &value]);
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    text.into()
}

fn compile_limits(node: &Node, compiler: &mut Compiler<'_>) -> Option<CommandLimits> {
    const MOST: u64 = 1 << 50;
    let cpu = compiler.optional(node, "cpu", Compiler::duration);
    let memory = compiler.optional(node, "memory", |c, field, n| c.size(field, n, MOST));
    let file_size = compiler.optional(node, "file_size", |c, field, n| c.size(field, n, MOST));
    let open_files = compiler.optional(node, "open_files", |c, field, n| c.integer(field, n, 3..=1_048_576));
    let user = compiler.optional(node, "user", Compiler::name);
    Some(CommandLimits {
        cpu_seconds: cpu?.map(|cpu| cpu.as_secs().max(1)),
        memory_bytes: memory?,
        file_bytes: file_size?,
        open_files: open_files?.and_then(|files| u64::try_from(files).ok()),
        user: user?,
    })
}

impl Compiler<'_> {
    /// Says that standard input is program text: nothing in it may have been written by strangers.
    pub(super) fn stdin_is_code(&mut self, stdin: &Node, program: &str) {
        let becomes = format!("code: `{program}` reads its standard input as program text");
        let hint = "pass the value as an argument or in `env:`, and let the program text read it";
        self.must_trust_use_at(stdin.span, "stdin-code", &becomes, hint);
    }

    /// Reads the exit codes that count as success.
    fn exit_codes(&mut self, node: &Node) -> Option<Vec<i32>> {
        let Some(codes) = node.get("expect").and_then(|expect| expect.get("exit_code")) else {
            return Some(vec![0]);
        };
        let list = if codes.items().is_empty() { std::slice::from_ref(codes) } else { codes.items() };
        let read = |code: &Node| {
            let code = self.integer("expect.exit_code", code, 0..=255)?;
            i32::try_from(code).ok()
        };
        let all: Vec<Option<i32>> = list.iter().map(read).collect();
        all.into_iter().collect()
    }
}

/// Returns the name of a signal as Linux numbers it.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}
