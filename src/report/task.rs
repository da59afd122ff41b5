//! Tasks in words, and as records for programs. Main type: [`TaskRecord`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::effect::{effect_details, effect_line, hold_line, shown};
use crate::engine::{RunTask, TaskStatus};
use crate::step::{Decision, Effect, OnTimeout, PlanLine, Standing, Task};
use crate::text::{escape_for_terminal, escape_lines_for_terminal, without_password};

/// What somebody has to decide, or has decided.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TaskRecord {
    /// Always `task`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "task"))]
    pub kind: &'static str,
    /// The run's id.
    pub run: String,
    /// The step that asks: `amflow approve RUN/STEP`.
    pub step: String,
    /// The playbook.
    pub playbook: String,
    /// The target, for people.
    pub target: String,
    /// Labels of the oldest alert.
    pub labels: BTreeMap<String, String>,
    /// `open`, `approved`, `rejected`, `expired` or `cancelled`.
    pub status: &'static str,
    /// How many more people must approve.
    pub missing: u32,
    /// Who started the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// Why it asks again, when it does: what came next was not what had been approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// What was said so far.
    pub decisions: Vec<DecisionRecord>,
    /// What is asked.
    #[serde(flatten)]
    pub task: Task,
}

/// What somebody said.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DecisionRecord {
    /// Whether the run may go on.
    pub approve: bool,
    /// Who.
    pub by: String,
    /// Their words.
    pub comment: String,
    /// Their answers to what was asked beside yes or no.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// How: `command`, `terminal`, `link`, `api`.
    pub via: String,
    /// Whether it was about what is asked now, and not about an earlier question of the same step.
    pub counts: bool,
}

impl TaskRecord {
    /// Makes the record of a task.
    pub fn of(found: &RunTask) -> TaskRecord {
        let mut task = found.state.task.clone();
        for line in &mut task.plan {
            if let Some(Effect::Request(request)) = line.effect.as_deref_mut() {
                request.url = without_password(&request.url).into_owned();
            }
        }
        let decision = |said: &Decision| DecisionRecord {
            approve: said.approve,
            by: said.by.clone(),
            comment: said.comment.clone(),
            inputs: said.inputs.clone(),
            at: said.at,
            via: said.via.clone(),
            counts: said.digest == task.digest,
        };
        let decisions = found.state.decisions.iter().map(decision).collect();
        let missing = match found.status {
            TaskStatus::Open { missing } => missing,
            _ => 0,
        };
        TaskRecord {
            kind: "task",
            run: found.run.header.run.clone(),
            step: found.state.step.clone(),
            playbook: found.run.header.playbook.clone(),
            target: found.run.header.target.clone(),
            labels: found.run.header.labels.clone(),
            status: found.status.as_str(),
            missing,
            started_by: found.started_by.clone(),
            again: found.state.again.clone(),
            decisions,
            task,
        }
    }
}

/// Returns one line that says whom a task asks, and what.
pub fn asks_line(task: &Task) -> String {
    let until = task.deadline.map_or_else(String::new, |until| {
        let seconds = until.duration_since(task.asked_at).unsigned_abs();
        format!(" (within {}, else {})", crate::model::format_duration(seconds), otherwise(task))
    });
    shown(&format!("asks {}: {}{until}", task.whom(), task.prompt))
}

/// Returns what happens when nobody decides in time.
fn otherwise(task: &Task) -> String {
    match (task.on_timeout, &task.escalation) {
        (OnTimeout::Reject, _) | (OnTimeout::Escalate, None) => "it is rejected".to_owned(),
        (OnTimeout::Fail, _) => "it fails".to_owned(),
        (OnTimeout::Approve, _) => "it goes on".to_owned(),
        (OnTimeout::Escalate, Some(escalation)) => format!("{} may decide, too", escalation.to),
    }
}

/// Returns a task as people read it: what is asked of whom, and what happens then. Everything is escaped for
/// a terminal.
pub fn task_lines(found: &RunTask, most: usize) -> Vec<String> {
    let task = &found.state.task;
    let header = &found.run.header;
    let escaped = |text: &str| escape_for_terminal(text).into_owned();
    let mut lines = vec![
        format!("task      {}/{}", header.run, escaped(&found.state.step)),
        format!("playbook  {}", header.playbook),
        format!("target    {}", escaped(&header.target)),
        format!("status    {}", found.status.as_str()),
    ];
    let prompt = escape_lines_for_terminal(&task.prompt);
    for (at, line) in prompt.lines().enumerate() {
        lines.push(format!("{}{line}", if at == 0 { "asks      " } else { "          " }));
    }
    let not_by = task.not_by.as_ref().map_or_else(String::new, |who| format!(", not {who}"));
    lines.push(format!("of        {}{}", escaped(&task.whom()), escaped(&not_by)));
    let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let until = task.deadline.map_or_else(
        || "no end".to_owned(),
        |until| format!("until {}, else {}", time(until), escaped(&otherwise(task))),
    );
    lines.push(format!("asked     {}, {until}", time(task.asked_at)));
    if let Some(why) = &found.state.again {
        lines.push(format!("again     {}", escaped(why)));
    }
    for question in &task.questions {
        let default = match &question.default {
            Some(Value::String(text)) => format!(", else `{text}`"),
            Some(default) => format!(", else {default}"),
            None if question.required => ", needed".to_owned(),
            None => String::new(),
        };
        let line = format!("{}: {} ({}{default})", question.name, question.prompt, question.wanted());
        lines.push(format!("input     {}", escaped(&line)));
    }
    for said in &found.state.decisions {
        let word = if said.approve { "approved" } else { "rejected" };
        let comment = if said.comment.is_empty() { String::new() } else { format!(": {}", said.comment) };
        let old = if said.digest == task.digest { "" } else { " (what was asked before)" };
        let answers = with_answers(&said.inputs);
        let line = format!("by {} at {}{answers}{old}{comment}", said.by, time(said.at));
        lines.push(format!("{word:9} {}", escaped(&line)));
    }
    if let Standing::Open(approved) = task.standing(&found.state.decisions)
        && !approved.is_empty()
        && let TaskStatus::Open { missing } = found.status
    {
        lines.push(format!("missing   {missing}"));
    }
    lines.push(format!("digest    {}", task.digest));
    lines.push(String::new());
    if task.plan.is_empty() {
        lines.push("then nothing is done up to the end, or up to the next approval".to_owned());
    } else {
        lines.push("when approved, up to the next approval:".to_owned());
        lines.extend(planned_lines(&task.plan, most));
    }
    lines
}

/// Returns a person's answers as they follow the word that they approved: ` with count=3, zone=a`; nothing when
/// they gave none.
pub fn with_answers(inputs: &BTreeMap<String, Value>) -> String {
    let plain =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "\",:".contains(c));
    let answers = inputs.iter().map(|(name, answer)| match answer {
        Value::String(text) if plain(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    let answers: Vec<_> = answers.collect();
    if answers.is_empty() { String::new() } else { format!(" with {}", answers.join(", ")) }
}

/// Returns what an approval lets happen, a line a step and at most so many about each effect.
pub fn planned_lines(plan: &[PlanLine], most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for step in plan {
        let indent = "  ".repeat(step.depth + 1);
        let kind = step.kind.as_ref().map_or_else(String::new, |kind| format!("{kind}; "));
        let why = step.why.as_deref().unwrap_or_default();
        let says = match (&step.effect, &step.hold, step.does.as_str()) {
            (Some(effect), ..) => effect_line(effect),
            (_, Some(hold), _) => hold_line(hold),
            (_, _, "not_yet_known") => shown(&format!("{} (not yet known: {kind}{why})", step.summary)),
            (_, _, "fails") => shown(&format!("would fail: {why}")),
            (_, _, "skipped") => "skipped: its `when` is false".to_owned(),
            (_, _, "approve") => shown(&format!("asks again: {}", step.summary)),
            _ => shown(&step.summary),
        };
        lines.push(format!("{indent}{}: {says}", escape_for_terminal(&step.path)));
        if let Some(when) = step.when.as_ref().filter(|_| step.does != "skipped") {
            lines.push(format!("{indent}  when {}", escape_for_terminal(when)));
        }
        let details = step.effect.as_deref().map(effect_details).unwrap_or_default();
        lines.extend(details.iter().take(most).map(|line| format!("{indent}  │ {line}")));
        if details.len() > most {
            let more = crate::text::plural(details.len() - most, "more line");
            lines.push(format!("{indent}  │ ({more}; -o json has all)"));
        }
    }
    lines
}
