//! What a run's templates see: `alert`, `alerts`, `group`, `run`, `steps`, `vars`, `env`, `failed`, `item`.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Enumerator, Serde};
use serde_json::{Map, Value, json};

use super::kept::KeptAlert;
use super::machine::Machine;
use super::state::{Node, Run};
use super::walk::{Handler, Walk};
use crate::playbook::{Block, BlockVars, Body, Playbook, Step};
use crate::template::{JsonTemplate, Scope};

/// The part of the scope that is fixed when the run starts.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// `alert`, `alerts`, `group`, `env`.
    scope: Scope,
    /// `vars` as the playbook sets them.
    vars: Map<String, Value>,
}

/// Returns a template's value as JSON; what JSON cannot hold becomes text.
pub(super) fn to_json(value: &minijinja::Value) -> Value {
    serde_json::to_value(value).unwrap_or_else(|_| Value::String(value.to_string()))
}

fn value(json: &Value) -> minijinja::Value {
    minijinja::Value::from(Serde(json))
}

/// Makes the scope that a trigger's expressions and a run's first templates see.
pub fn base_scope(run: &Run) -> Scope {
    let started = &run.started;
    let alerts: Vec<_> = started.alerts.iter().map(KeptAlert::value).collect();
    let first = alerts.first().cloned().unwrap_or_else(|| value(&Value::Null));
    Scope::new()
        .with("alert", first)
        .with("alerts", minijinja::Value::from(alerts))
        .with("group", value(&json!(started.group)))
        .with("env", value(&json!(started.env)))
}

/// Renders the concurrency key of a run; `None` when its playbook has none.
///
/// # Errors
///
/// A variable or the key cannot be filled.
pub fn key(run: &Run, playbook: &Playbook) -> Result<Option<String>, String> {
    let Some(concurrency) = &playbook.concurrency else { return Ok(None) };
    let scope = base_scope(run).with("run", value(&run_value(run, "running")));
    let vars = fill_vars(&playbook.vars, &scope)?;
    let scope = scope.with("vars", value(&Value::Object(vars)));
    concurrency.key.render(&scope).map(Some).map_err(|e| format!("concurrency.key: {e}"))
}

/// Fills `vars` in order, each seeing those before it.
///
/// # Errors
///
/// The first that cannot be filled, with its name.
pub fn fill_vars(vars: &[(String, JsonTemplate)], scope: &Scope) -> Result<Map<String, Value>, String> {
    fill_more(vars, Map::new(), scope)
}

/// Fills variables in order, each seeing those that are known and those before it.
fn fill_more(
    vars: &[(String, JsonTemplate)],
    mut known: Map<String, Value>,
    scope: &Scope,
) -> Result<Map<String, Value>, String> {
    for (name, template) in vars {
        let scope = scope.with("vars", value(&Value::Object(known.clone())));
        known.insert(name.clone(), filled(name, template, &scope)?);
    }
    Ok(known)
}

/// Fills the values that a step gives to the playbook that it inlines: none sees another.
fn fill_given(vars: &[(String, JsonTemplate)], scope: &Scope) -> Result<Map<String, Value>, String> {
    vars.iter().map(|(name, template)| Ok((name.clone(), filled(name, template, scope)?))).collect()
}

fn filled(name: &str, template: &JsonTemplate, scope: &Scope) -> Result<Value, String> {
    template.render(scope).map_err(|e| format!("vars.{name}: {e}"))
}

fn run_value(run: &Run, status: &str) -> Value {
    json!({
        "id": run.id,
        "playbook": run.started.playbook,
        "status": status,
        "trigger": run.started.trigger.as_str(),
        "target": run.started.target,
        "scope": run.started.scope,
        "source": run.started.source,
        "started_at": run.started_at.to_string(),
        "handed_over_by": run.started.handed_over_by.as_deref().unwrap_or_default(),
        "reason": run.ending.as_ref().map_or("", |e| e.reason.as_str()),
    })
}

impl Machine {
    /// Returns the fixed part of the scope, made on first use.
    pub(super) fn base(&mut self) -> Result<Base, String> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        let scope = base_scope(&self.run);
        let vars =
            fill_vars(&self.playbook.vars, &scope.with("run", value(&run_value(&self.run, "running"))))?;
        Ok(self.base.insert(Base { scope, vars }).clone())
    }

    /// Makes the scope of the step at `path`.
    pub(super) fn scope(&mut self, path: &str, cx: &Walk) -> Result<Scope, String> {
        let base = self.base()?;
        let playbook = self.playbook.clone();
        let status = self.run.ending.as_ref().map_or_else(
            || if cx.failed.is_some() { "failed" } else { "running" },
            |ending| ending.status.as_str(),
        );
        let planned = self.previewing.then_some(cx.handler);
        let names = |steps: Map<String, Value>, vars: Map<String, Value>| {
            let scope = base
                .scope
                .with("run", value(&run_value(&self.run, status)))
                .with("steps", value(&Value::Object(steps)))
                .with("vars", value(&Value::Object(vars)));
            match planned {
                Some(handler) => NotYet::known_only_then(&scope, handler),
                None => scope,
            }
        };
        let in_handler = cx.handler != Handler::Main && !self.previewing;
        let lists = lists_of_playbook(&playbook);
        let (top, inlined) = Seen { run: &self.run, path, in_handler }.levels(&lists);
        let mut vars = base.vars;
        vars.extend(top.set_by_steps(&self.run, ""));
        let with_failed = |scope: Scope| match planned {
            Some(_) => scope,
            None => with_failed(&self.run, scope, cx),
        };
        let mut scope = with_failed(names(top.steps, vars));
        for (at, templates, level) in inlined {
            // What the step gives is filled as its parent sees it, its turn of a `foreach` too.
            let outer = with_item(&scope, cx, Some(&at));
            let problem = |e: String| format!("{at}: {e}");
            let given = fill_given(&templates.given, &outer).map_err(problem)?;
            let mut vars = fill_more(&templates.own, given, &outer).map_err(problem)?;
            vars.extend(level.set_by_steps(&self.run, &at));
            scope = with_failed(names(level.steps, vars));
        }
        Ok(with_item(&scope, cx, None))
    }
}

impl Machine {
    /// Returns the ids of the holds that the step `maker` has, as the step at `path` sees it: within a
    /// `foreach` those of the same turn, within an inlined playbook its own.
    pub(super) fn holds_of(&self, path: &str, maker: &str) -> Vec<String> {
        let lists = lists_of_playbook(&self.playbook);
        let seen = Seen { run: &self.run, path, in_handler: true };
        let (top, inlined) = seen.levels(&lists);
        let level = inlined.last().map_or(&top, |(_, _, level)| level);
        let Some(place) = level.places.get(maker) else { return Vec::new() };
        let held = self.run.holds.iter().filter(|(id, hold)| !hold.over && is_turn_of(id, place));
        held.map(|(id, _)| id.clone()).collect()
    }
}

/// A name of which a plan knows only a part: reading the rest is an error that says so, and never a stand-in,
/// whatever `default` says.
#[derive(Debug)]
struct NotYet {
    name: &'static str,
    known: Option<minijinja::Value>,
    /// What of it changes until then.
    changes: &'static [&'static str],
}

impl NotYet {
    /// Hides what a run knows only when it comes there.
    fn known_only_then(scope: &Scope, handler: Handler) -> Scope {
        let not_yet = |name: &'static str, changes| {
            let known = scope.get(name);
            minijinja::Value::from_object(NotYet { name, known, changes })
        };
        // What is not set yet is set by a step that comes before: everything else was found at load.
        let planned = scope.with("steps", not_yet("steps", &[])).with("vars", not_yet("vars", &[]));
        match handler {
            Handler::Main => planned,
            Handler::OnFailure | Handler::Finally => planned
                .with("run", not_yet("run", &["status", "reason"]))
                .with("failed", not_yet("failed", &[])),
        }
    }
}

impl minijinja::value::Object for NotYet {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let known = self.known.as_ref().and_then(|known| known.get_item(key).ok());
        match known.filter(|value| !value.is_undefined()) {
            Some(value) if !key.as_str().is_some_and(|key| self.changes.contains(&key)) => Some(value),
            _ => {
                let what = format!("`{}.{key}` is known only when it runs", self.name);
                Some(minijinja::Value::from(minijinja::Error::new(
                    minijinja::ErrorKind::InvalidOperation,
                    what,
                )))
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.known.as_ref().and_then(|known| known.try_iter().ok());
        let known = |key: &minijinja::Value| !key.as_str().is_some_and(|key| self.changes.contains(&key));
        Enumerator::Values(keys.into_iter().flatten().filter(known).collect())
    }
}

/// Adds `failed` in handlers; in a `finally` after nothing failed its fields are empty.
fn with_failed(run: &Run, scope: Scope, cx: &Walk) -> Scope {
    let (step, reason) = match &cx.failed {
        Some((step, reason)) => (step.as_str(), reason.as_str()),
        None if cx.handler == Handler::Finally => ("", ""),
        None => return scope,
    };
    let node = run.nodes.get(step);
    let status = node
        .and_then(|n| n.outcome.as_ref())
        .map_or(if step.is_empty() { "" } else { "failed" }, |o| o.status());
    let output = node.map_or(&Value::Null, |n| &n.output);
    let mut failed = json!({"step": step, "reason": reason, "status": status});
    for key in ["stdout", "stderr", "exit_code"] {
        failed[key] = output.get(key).cloned().unwrap_or(Value::Null);
    }
    scope.with("failed", value(&failed))
}

/// Adds the item of the innermost `foreach` around; with `at`, of the innermost around that path.
fn with_item(scope: &Scope, cx: &Walk, at: Option<&str>) -> Scope {
    let around = |turn: &str| at.is_none_or(|at| at == turn || is_inside(at, turn));
    match cx.items.iter().rev().find(|(turn, _)| around(turn)) {
        Some((_, item)) => scope.with("item", value(item)),
        None => scope.clone(),
    }
}

fn is_inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// What is seen of the steps from `path`: within a `foreach`, those of the same turn; within an inlined
/// playbook, its own.
struct Seen<'s> {
    run: &'s Run,
    path: &'s str,
    in_handler: bool,
}

/// What is seen of the steps of one playbook.
#[derive(Default)]
struct Level<'s> {
    /// `steps.<id>` of the named steps that are over.
    steps: Map<String, Value>,
    /// Where the named steps stand.
    places: BTreeMap<&'s str, String>,
    /// Where other playbooks are inlined into it; what they set is their own.
    hidden: Vec<String>,
    /// The one that is inlined around the path.
    around: Option<(String, &'s Block)>,
}

impl<'s> Seen<'s> {
    /// Returns what is seen of the playbook itself, and of those that are inlined around the path, the
    /// outermost first, with their places.
    fn levels(&self, lists: &[(&'s [Step], String)]) -> (Level<'s>, Vec<(String, &'s BlockVars, Level<'s>)>) {
        let top = self.level(lists);
        let mut inlined = Vec::new();
        let mut around = top.around.clone();
        while let Some((at, block)) = around {
            let level = self.level(&lists_of(block, &at));
            around = level.around.clone();
            if let Some(vars) = &block.vars {
                inlined.push((at, vars, level));
            }
        }
        (top, inlined)
    }

    fn level(&self, lists: &[(&'s [Step], String)]) -> Level<'s> {
        let mut level = Level::default();
        self.collect(lists, &mut level);
        level
    }

    fn collect(&self, lists: &[(&'s [Step], String)], level: &mut Level<'s>) {
        for (list, prefix) in lists {
            for step in *list {
                self.collect_step(step, format!("{prefix}{}", step.id), level);
            }
        }
    }

    fn collect_step(&self, step: &'s Step, at: String, level: &mut Level<'s>) {
        if step.named {
            let over = self.run.nodes.get(&at).and_then(|node| step_value(self.run, &at, node));
            // What a handler may ask about: a step that a failure came before.
            let not_reached =
                || json!({"status": "skipped", "reason": "not reached", "attempts": 0, "duration": 0});
            let seen = over.or_else(|| self.in_handler.then(not_reached));
            level.steps.extend(seen.map(|seen| (step.id.clone(), seen)));
            level.places.insert(&step.id, at.clone());
        }
        let inner = turn_of(&at, self.path).unwrap_or(at);
        match &step.body {
            Body::Action(_) => {}
            Body::Parallel(branches) => self.collect(&[(branches, format!("{inner}/"))], level),
            Body::Block(block) if block.vars.is_some() => {
                level.hidden.push(without_turns(&inner));
                if is_inside(self.path, &inner) {
                    level.around = Some((inner, block));
                }
            }
            Body::Block(block) => self.collect(&lists_of(block, &inner), level),
        }
    }
}

impl Level<'_> {
    /// Returns the variables that steps of this playbook, inlined at `at`, have set.
    fn set_by_steps(&self, run: &Run, at: &str) -> Map<String, Value> {
        let own = |path: &str| {
            let plain = without_turns(path);
            (at.is_empty() || is_inside(path, at))
                && !self.hidden.iter().any(|hidden| is_inside(&plain, hidden))
        };
        run.set.iter().filter(|(path, _)| own(path)).flat_map(|(_, vars)| vars.clone()).collect()
    }
}

/// A path without the numbers of turns.
pub(super) fn without_turns(path: &str) -> String {
    path.split('/').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join("/")
}

fn lists_of_playbook(playbook: &Playbook) -> [(&[Step], String); 3] {
    [
        (playbook.steps.as_slice(), String::new()),
        (playbook.on_failure.as_slice(), "on_failure/".to_owned()),
        (playbook.finally.as_slice(), "finally/".to_owned()),
    ]
}

fn lists_of<'s>(block: &'s Block, at: &str) -> [(&'s [Step], String); 3] {
    [
        (&block.steps, format!("{at}/")),
        (&block.on_failure, format!("{at}/on_failure/")),
        (&block.finally, format!("{at}/finally/")),
    ]
    .map(|(list, prefix)| (list.as_slice(), prefix))
}

/// Returns whether a path is that of a step at `place`, in any turn of a `foreach` whose turn `place` leaves open.
pub(super) fn is_turn_of(path: &str, place: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), place.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(want)) if part == want || part.split('[').next() == Some(want) => {}
            _ => return false,
        }
    }
}

/// Returns `at[n]` when `path` lies in turn `n` of the `foreach` at `at`.
fn turn_of(at: &str, path: &str) -> Option<String> {
    let rest = path.strip_prefix(at)?.strip_prefix('[')?;
    let (n, _) = rest.split_once(']')?;
    Some(format!("{at}[{n}]"))
}

fn step_value(run: &Run, path: &str, node: &Node) -> Option<Value> {
    let outcome = node.outcome.as_ref()?;
    let mut seen = match &node.output {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    seen.insert("status".to_owned(), outcome.status().into());
    seen.insert("reason".to_owned(), outcome.reason().into());
    seen.insert("attempts".to_owned(), node.attempts.into());
    let duration = match (node.began, node.ended) {
        (Some(began), Some(ended)) => ended.duration_since(began).as_secs_f64().max(0.0),
        _ => 0.0,
    };
    seen.insert("duration".to_owned(), duration.into());
    if let Some(items) = &node.items {
        let turns = (0..items.len())
            .filter_map(|n| {
                let turn = format!("{path}[{n}]");
                step_value(run, &turn, run.nodes.get(&turn)?)
            })
            .collect();
        seen.insert("items".to_owned(), Value::Array(turns));
    }
    Some(Value::Object(seen))
}
