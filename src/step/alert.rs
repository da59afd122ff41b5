//! `alert`: posts an alert to Alertmanager and keeps it there while the run lives, or resolves it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::action::{Action, ActionContext, Needs, StepError};
use super::compiler::Compiler;
use super::effect::Reply;
use super::hold::{AlertHold, Hold};
use super::kind::StepKind;
use super::outcome::{FailureReason, Memo, Move};
use super::silence::{compile_lease, compile_release, held};
use super::spec::{DurationText, MapOf, Name, Template};
use crate::model::STATE_LABEL;
use crate::template::TextTemplate;
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "alert",
    summary: "posts an alert to every Alertmanager of the cluster while the run lives, or resolves it",
    docs: "The alert always carries `amflow_state` (`posted` when nothing else is written) and `amflow_run`: amflow \
        never works on its own alerts, and two runs never share one. It is posted again well before it would end, \
        and resolved with the run. With `keep: true` it stands for its `duration`, whatever becomes of the run.",
    example: "alert:\n  post:\n    labels: {alertname: DiskBeingCleaned, instance: \"{{ alert.labels.instance }}\"}\n    annotations: {summary: \"{{ run.playbook }} frees space\"}",
    outputs: &[],
    schema,
    compile,
    takes_env: false,
};

/// An alert to be posted, or one to be resolved.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct AlertSpec {
    /// The alert to post.
    post: Option<PostSpec>,
    /// For how long it is posted at a time; it is posted again while the run lives. With `keep: true`: for how long
    /// it stands. Default: `5m`.
    duration: Option<DurationText>,
    /// Whether it stands when the run ends; needs `duration`.
    keep: Option<bool>,
    /// The id of a step whose alert is resolved instead; stands alone.
    resolve: Option<Name>,
}

/// The alert to post.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct PostSpec {
    /// Its labels; one must be `alertname`.
    labels: MapOf<Template>,
    /// Its annotations.
    annotations: Option<MapOf<Template>>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<AlertSpec>()
}

/// The label that names the run.
const RUN_LABEL: &str = "amflow_run";

#[derive(Debug)]
struct Post {
    labels: Vec<(String, TextTemplate)>,
    annotations: Vec<(String, TextTemplate)>,
    lease_seconds: u64,
    keep: bool,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    if let Some(step) = node.get("resolve") {
        return compile_release(node, "resolve", step, "resolve the alert of", compiler);
    }
    let Some(post) = node.get("post") else {
        if !node.is_broken() {
            compiler.error("alert-empty", node.span, "`post` or `resolve` is missing here", None);
        }
        return None;
    };
    let labels = match post.get("labels") {
        Some(labels) => compile_labels(labels, compiler),
        None => None,
    };
    let annotations = compiler.optional(post, "annotations", Compiler::texts);
    let (lease_seconds, keep) = compile_lease(node, compiler)?;
    let annotations = annotations?.unwrap_or_default();
    Some(Box::new(Post { labels: labels?, annotations, lease_seconds, keep }))
}

fn compile_labels(node: &Node, compiler: &mut Compiler<'_>) -> Option<Vec<(String, TextTemplate)>> {
    let labels = compiler.texts("labels", node);
    if node.get("alertname").is_none() {
        compiler.error("alert-name", node.span, "the label `alertname` is missing here", None);
        return None;
    }
    if let Some(run) = node.key_span(RUN_LABEL) {
        let message = format!("`{RUN_LABEL}` is set by amflow itself");
        compiler.error("alert-label", run, message, Some("leave it out"));
        return None;
    }
    labels
}

impl Post {
    fn hold(&self, cx: &ActionContext<'_>) -> Result<Hold, StepError> {
        let mut labels = render_all("labels", &self.labels, cx)?;
        labels.entry(STATE_LABEL.to_owned()).or_insert_with(|| "posted".to_owned());
        if labels[STATE_LABEL].is_empty() {
            let message =
                format!("labels.{STATE_LABEL} is empty, and without it amflow would work on its own alert");
            return Err(StepError::new(FailureReason::Hold, message));
        }
        labels.insert(RUN_LABEL.to_owned(), cx.run.to_owned());
        // Alertmanager drops labels without a value; so does the identity of the hold.
        labels.retain(|_, value| !value.is_empty());
        Ok(Hold::Alert(AlertHold {
            labels,
            annotations: render_all("annotations", &self.annotations, cx)?,
            starts_at: cx.began,
            lease_seconds: self.lease_seconds,
            generator_url: String::new(),
        }))
    }
}

fn render_all(
    field: &str,
    templates: &[(String, TextTemplate)],
    cx: &ActionContext<'_>,
) -> Result<BTreeMap<String, String>, StepError> {
    let render = |(name, template): &(String, TextTemplate)| {
        let text = template.render(cx.scope);
        Ok((name.clone(), text.map_err(|error| StepError::template(&format!("{field}.{name}"), &error))?))
    };
    templates.iter().map(render).collect()
}

impl Action for Post {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        match held(last, "alert_id") {
            Some(next) => Ok(next),
            None => Ok(Move::Hold { hold: self.hold(cx)?, keep: self.keep, memo: json!({"hold": "wanted"}) }),
        }
    }

    fn summary(&self) -> String {
        let name = self.labels.iter().find(|(name, _)| name == "alertname");
        format!("post the alert {}", name.map_or("", |(_, value)| value.source()))
    }

    fn needs(&self, needs: &mut Needs) {
        needs.alertmanager_for("alert");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Outcome;
    use crate::step::testing::{advance, advance_result, at, compiled, done, problems};

    #[test]
    fn a_posted_alert_always_says_that_it_is_amflows_own() {
        let post = compiled(
            "alert: {post: {labels: {alertname: X, zone: '', host: '{{ alert.labels.instance }}'}, annotations: {a: 'n {{ alert.labels.n }}'}}}",
        );
        let Move::Hold { hold: Hold::Alert(alert), keep, .. } = advance(&*post, &Memo::Null, None) else {
            panic!("a hold is wanted");
        };
        assert_eq!(
            json!(alert.labels),
            json!({"alertname": "X", "host": "db1:9100", "amflow_state": "posted", "amflow_run": "0190"})
        );
        assert_eq!(json!(alert.annotations), json!({"a": "n 7"}));
        assert_eq!((alert.starts_at, alert.lease_seconds, keep), (at(0), 300, false));
        let (outcome, _) = done(advance(&*post, &json!({}), Some(&Reply::Held { id: None })));
        assert_eq!(outcome, Outcome::Succeeded);
    }

    #[test]
    fn a_posted_alert_cannot_lose_its_state() {
        let post = compiled(
            "alert: {post: {labels: {alertname: X, amflow_state: \"{{ alert.labels.zone | default('') }}\"}}}",
        );
        assert_eq!(advance_result(&*post, &Memo::Null, None).unwrap_err().reason, FailureReason::Hold);
    }

    #[test]
    fn what_is_missing_is_a_problem() {
        for (step, problem) in [
            (
                "alert: {post: {labels: {a: b}}}",
                "alert-name: the label `alertname` is missing here at \"{a: b}\" of step.yaml",
            ),
            ("alert: {}", "alert-empty: `post` or `resolve` is missing here at \"{}\" of step.yaml"),
            (
                "alert: {post: {labels: {alertname: X, amflow_run: y}}}",
                "alert-label: `amflow_run` is set by amflow itself at \"amflow_run\" of step.yaml",
            ),
        ] {
            assert_eq!(problems(step), [problem], "{step}");
        }
        let release = advance(&*compiled("alert: {resolve: raise}"), &Memo::Null, None);
        assert!(matches!(release, Move::Release { step, .. } if step == "raise"));
    }
}
