//! What a run's templates see: `alert`, `alerts`, `group`, `run`, `steps`, `vars`, `env`, `failed`, `item`.

use minijinja::value::Serde;
use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::state::{Node, Run};
use super::walk::Walk;
use crate::playbook::{Body, Step};
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
    let first = started.alerts.first().cloned().unwrap_or(Value::Null);
    Scope::new()
        .with("alert", value(&first))
        .with("alerts", value(&Value::Array(started.alerts.clone())))
        .with("group", value(&json!(started.group)))
        .with("env", value(&json!(started.env)))
}

/// Fills `vars` in order, each seeing those before it.
///
/// # Errors
///
/// The first that cannot be filled, with its name.
pub fn fill_vars(vars: &[(String, JsonTemplate)], scope: &Scope) -> Result<Map<String, Value>, String> {
    let mut known = Map::new();
    for (name, template) in vars {
        let scope = scope.with("vars", value(&Value::Object(known.clone())));
        let filled = template.render(&scope).map_err(|e| format!("vars.{name}: {e}"))?;
        known.insert(name.clone(), filled);
    }
    Ok(known)
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
        let mut steps = Map::new();
        let lists =
            [(&playbook.steps, ""), (&playbook.on_failure, "on_failure/"), (&playbook.finally, "finally/")];
        for (list, prefix) in lists {
            collect(&self.run, list, prefix, path, &mut steps);
        }
        let mut scope = base
            .scope
            .with("run", value(&run_value(&self.run, status)))
            .with("steps", value(&Value::Object(steps)));
        let mut vars = base.vars;
        if let Some((path, templates)) =
            cx.block.as_deref().and_then(|p| Some((p, block_vars(&playbook, p)?)))
        {
            let outer = scope.with("vars", value(&Value::Object(vars)));
            vars = fill_vars(templates, &outer).map_err(|e| format!("{path}: {e}"))?;
        }
        vars.extend(self.run.set.iter().map(|(k, v)| (k.clone(), v.clone())));
        scope = scope.with("vars", value(&Value::Object(vars)));
        if let Some((step, reason)) = &cx.failed {
            let status =
                self.run.nodes.get(step).and_then(|n| n.outcome.as_ref()).map_or("failed", |o| o.status());
            let output = self.run.nodes.get(step).map_or(Value::Null, |n| n.output.clone());
            let mut failed = json!({"step": step, "reason": reason, "status": status});
            for key in ["stdout", "stderr", "exit_code"] {
                failed[key] = output.get(key).cloned().unwrap_or(Value::Null);
            }
            scope = scope.with("failed", value(&failed));
        }
        if let Some((_, item)) = cx.items.last() {
            scope = scope.with("item", value(item));
        }
        Ok(scope)
    }
}

/// Finds the `vars` of the inlined playbook whose block stands at `path`.
fn block_vars<'p>(
    playbook: &'p crate::playbook::Playbook,
    path: &str,
) -> Option<&'p [(String, JsonTemplate)]> {
    fn find<'s>(steps: &'s [Step], id: &str) -> Option<&'s [(String, JsonTemplate)]> {
        steps.iter().find_map(|step| match &step.body {
            Body::Block(block) if step.id == id && block.vars.is_some() => block.vars.as_deref(),
            Body::Block(block) => find(&block.steps, id)
                .or_else(|| find(&block.on_failure, id))
                .or_else(|| find(&block.finally, id)),
            Body::Parallel(branches) => find(branches, id),
            Body::Action(_) => None,
        })
    }
    let last = path.rsplit('/').next().unwrap_or(path);
    let id = last.split('[').next().unwrap_or(last);
    [&playbook.steps, &playbook.on_failure, &playbook.finally].into_iter().find_map(|list| find(list, id))
}

/// Gathers `steps.<id>` of all named steps that are over, as seen from `path`: within a `foreach`,
/// those of the same turn.
fn collect(run: &Run, list: &[Step], prefix: &str, path: &str, out: &mut Map<String, Value>) {
    for step in list {
        let at = format!("{prefix}{}", step.id);
        if step.named
            && let Some(node) = run.nodes.get(&at)
            && let Some(seen) = step_value(run, &at, node)
        {
            out.insert(step.id.clone(), seen);
        }
        let inner = turn_of(&at, path).unwrap_or(at);
        match &step.body {
            Body::Action(_) => {}
            Body::Parallel(branches) => collect(run, branches, &format!("{inner}/"), path, out),
            Body::Block(block) => {
                collect(run, &block.steps, &format!("{inner}/"), path, out);
                collect(run, &block.on_failure, &format!("{inner}/on_failure/"), path, out);
                collect(run, &block.finally, &format!("{inner}/finally/"), path, out);
            }
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
