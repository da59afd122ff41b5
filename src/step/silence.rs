//! `silence`: mutes alerts in Alertmanager for as long as the run lives, or for a given time.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::action::{Action, ActionContext, Needs, RunAlert, StepError};
use super::command::no_reply;
use super::compiler::Compiler;
use super::effect::Reply;
use super::hold::{Hold, SilenceHold};
use super::kind::{Field, FieldType, StepKind};
use super::outcome::{FailureReason, Memo, Move, Outcome};
use super::spec::{DurationText, MatcherText, Name, Template};
use super::values::render_optional;
use crate::model::{MatchOp, Matcher};
use crate::template::{MatcherTemplate, TextTemplate};
use crate::text::Node;

pub(super) const KIND: StepKind = StepKind {
    name: "silence",
    summary: "mutes alerts in Alertmanager while the run lives, or expires a silence that an earlier step made",
    docs: "Without `matchers` it mutes the alerts that the run works on, by all the labels and values that they have (an \
        alert with those and more labels is muted with them). It is made short and extended in \
        place while the run lives, found again after a crash, and expired with the run, so that paging comes back by \
        itself. With `keep: true` it stays for its `duration`, whatever becomes of the run.\n\nMatchers that would \
        also match an alert without any label are refused: such a silence mutes everything.",
    example: "silence: {matchers: ['instance = \"{{ alert.labels.instance }}\"'], comment: \"restarting {{ alert.labels.instance }}\"}",
    outputs: &[Field::trusted(
        "silence_id",
        FieldType::Text,
        "Alertmanager's id of the silence; only for one that was made",
    )],
    schema,
    compile,
    takes_env: false,
};

/// A silence to be made, or one to be expired.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says what may be written; the compiler reads the nodes")]
struct SilenceSpec {
    /// What it mutes; all must hold. Default: the run's alerts, by all their labels.
    #[schemars(length(min = 1))]
    matchers: Option<Vec<MatcherText>>,
    /// For how long it is made at a time; it is extended while the run lives. With `keep: true`: for how long it
    /// stays. Default: `5m`.
    duration: Option<DurationText>,
    /// Why, for people who find it. Default: the playbook and the run.
    comment: Option<Template>,
    /// Whether it stays when the run ends; needs `duration`.
    keep: Option<bool>,
    /// The id of a step whose silence is expired instead; stands alone.
    expire: Option<Name>,
}

fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<SilenceSpec>()
}

/// For how long a hold is made at a time when nothing is said: 5 minutes.
pub(super) const DEFAULT_LEASE_SECONDS: u64 = 300;

#[derive(Debug)]
struct Silence {
    matchers: Vec<MatcherTemplate>,
    lease_seconds: u64,
    comment: Option<TextTemplate>,
    keep: bool,
}

/// Ends a hold of an earlier step; `alert` does the same.
#[derive(Debug)]
pub(super) struct Release {
    /// Path or id of the step that made it.
    pub(super) step: String,
    /// The words for it: `expire the silence of`.
    pub(super) what: &'static str,
}

fn compile(node: &Node, compiler: &mut Compiler<'_>) -> Option<Box<dyn Action>> {
    if let Some(step) = node.get("expire") {
        return compile_release(node, "expire", step, "expire the silence of", compiler);
    }
    let matchers: Vec<Option<MatcherTemplate>> = node
        .get("matchers")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(at, item)| compiler.matcher(&format!("matchers[{at}]"), item))
        .collect();
    let comment = compiler.optional(node, "comment", Compiler::text);
    let (lease_seconds, keep) = compile_lease(node, compiler)?;
    let matchers = matchers.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Box::new(Silence { matchers, lease_seconds, comment: comment?, keep }))
}

/// Reads `duration` and `keep`: how long a hold is made at a time, and whether it outlives the run.
pub(super) fn compile_lease(node: &Node, compiler: &mut Compiler<'_>) -> Option<(u64, bool)> {
    let duration = compiler.optional(node, "duration", Compiler::duration);
    let keep = compiler.optional(node, "keep", Compiler::switch)?.unwrap_or(false);
    if keep && node.get("duration").is_none() {
        let span = node.key_span("keep").unwrap_or(node.span);
        let message = "what is kept when the run ends needs a `duration`, after which it ends";
        compiler.error("keep-duration", span, message, Some("add `duration: 2h`"));
        return None;
    }
    Some((duration?.map_or(DEFAULT_LEASE_SECONDS, |lease| lease.as_secs().max(30)), keep))
}

/// Reads the id of the step whose hold is released; nothing else may stand beside it.
pub(super) fn compile_release(
    node: &Node,
    key: &str,
    step: &Node,
    what: &'static str,
    compiler: &mut Compiler<'_>,
) -> Option<Box<dyn Action>> {
    let mut alone = true;
    for entry in node.entries().iter().filter(|entry| entry.key.value != key) {
        let message = format!("`{}` means nothing beside `{key}`", entry.key.value);
        compiler.error("hold-keys", entry.key.span, message, Some("make two steps of it"));
        alone = false;
    }
    let step = compiler.step_id(key, step)?;
    alone.then(|| Box::new(Release { step, what }) as Box<dyn Action>)
}

impl Silence {
    fn hold(&self, cx: &ActionContext<'_>) -> Result<Hold, StepError> {
        let mut matchers = Vec::new();
        for (at, matcher) in self.matchers.iter().enumerate() {
            let field = format!("matchers[{at}]");
            matchers.push(matcher.render(cx.scope).map_err(|error| StepError::template(&field, &error))?);
        }
        if self.matchers.is_empty() {
            matchers = narrowest(cx.alerts)?;
        }
        if matchers.iter().all(Matcher::matches_empty) {
            let message = "the silence would mute everything: no matcher needs a label to be there";
            return Err(StepError::new(FailureReason::Hold, message));
        }
        let comment = render_optional("comment", self.comment.as_ref(), cx)?;
        let written = |matcher: &Matcher| {
            (matcher.name().to_owned(), matcher.op().as_str().to_owned(), matcher.value().to_owned())
        };
        Ok(Hold::Silence(SilenceHold {
            matchers: matchers.iter().map(written).collect(),
            created_by: "amflow".to_owned(),
            comment: comment.unwrap_or_else(|| format!("{} is working on it", cx.playbook)),
            lease_seconds: self.lease_seconds,
        }))
    }
}

/// Returns the narrowest matchers that mute all of these alerts: for one alert, each of its labels.
fn narrowest(alerts: &[RunAlert]) -> Result<Vec<Matcher>, StepError> {
    let names: BTreeSet<&str> =
        alerts.iter().flat_map(|alert| alert.labels.iter().map(|(name, _)| name.as_str())).collect();
    let value = |alert: &RunAlert, name: &str| {
        let label = alert.labels.iter().find(|(label, _)| label == name);
        label.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let matcher = |name: &str| {
        let values: BTreeSet<String> = alerts.iter().map(|alert| value(alert, name)).collect();
        let mut values: Vec<String> = values.into_iter().collect();
        match (values.len(), values.pop()) {
            (1, Some(only)) => Ok(Matcher::equal(name, only)),
            (_, last) => {
                values.extend(last);
                let pattern: Vec<String> = values.iter().map(|value| regex_syntax::escape(value)).collect();
                Matcher::new(name, MatchOp::Regex, pattern.join("|"))
                    .map_err(|error| StepError::new(FailureReason::Hold, error.to_string()))
            }
        }
    };
    names.into_iter().map(matcher).collect()
}

/// Reads the answer to a hold; `None` while there is none.
pub(super) fn held(last: Option<&Reply>, id_field: &str) -> Option<Move> {
    match last? {
        Reply::Held { id } => {
            let output = id.as_ref().map_or_else(|| json!({}), |id| json!({id_field: id}));
            Some(Move::ended(Outcome::Succeeded, output))
        }
        other => Some(Move::ended(no_reply(other, FailureReason::Hold), json!({}))),
    }
}

impl Action for Silence {
    fn advance(&self, cx: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        match held(last, "silence_id") {
            Some(next) => Ok(next),
            None => Ok(Move::Hold { hold: self.hold(cx)?, keep: self.keep, memo: json!({"hold": "wanted"}) }),
        }
    }

    fn summary(&self) -> String {
        if self.matchers.is_empty() {
            return "silence the run's alerts".to_owned();
        }
        let matchers: Vec<&str> = self.matchers.iter().map(MatcherTemplate::source).collect();
        format!("silence {}", matchers.join(", "))
    }

    fn needs(&self, needs: &mut Needs) {
        needs.alertmanager_for("silence");
    }
}

impl Action for Release {
    fn advance(&self, _: &ActionContext<'_>, _: &Memo, last: Option<&Reply>) -> Result<Move, StepError> {
        match held(last, "released_id") {
            Some(next) => Ok(next),
            None => Ok(Move::Release { step: self.step.clone(), memo: json!({"hold": "unwanted"}) }),
        }
    }

    fn summary(&self) -> String {
        format!("{} `{}`", self.what, self.step)
    }

    fn needs(&self, needs: &mut Needs) {
        needs.alertmanager_for("silence");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::{advance, advance_result, at, compiled, done, problems};

    fn hold_of(step: &str) -> (SilenceHold, bool) {
        match advance(&*compiled(step), &Memo::Null, None) {
            Move::Hold { hold: Hold::Silence(silence), keep, .. } => (silence, keep),
            other => panic!("{other:?}"),
        }
    }

    fn written(matchers: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        matchers.iter().map(|(n, o, v)| ((*n).to_owned(), (*o).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn without_matchers_the_alert_is_muted_by_all_its_labels() {
        let (silence, keep) = hold_of("silence: {}");
        assert_eq!(
            silence.matchers,
            written(&[("alertname", "=", "DiskFull"), ("instance", "=", "db1:9100")])
        );
        assert_eq!(
            (silence.lease_seconds, silence.comment.as_str(), keep),
            (300, "disk is working on it", false)
        );
    }

    #[test]
    fn a_group_is_muted_by_the_values_that_its_alerts_have() {
        let alert = |labels: &[(&str, &str)]| RunAlert {
            fingerprint: String::new(),
            starts_at: at(0),
            ends_at: None,
            labels: labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            generator_url: String::new(),
        };
        let matchers =
            narrowest(&[alert(&[("a", "1"), ("b", "x.y")]), alert(&[("a", "1"), ("b", "z"), ("c", "q")])]);
        let shown: Vec<String> = matchers
            .unwrap()
            .iter()
            .map(|m| format!("{}{}{}", m.name(), m.op().as_str(), m.value()))
            .collect();
        assert_eq!(shown, ["a=1", "b=~x\\.y|z", "c=~|q"]);
    }

    #[test]
    fn values_stay_values_and_a_silence_of_everything_is_refused() {
        let (silence, keep) = hold_of(
            "silence: {matchers: ['instance =~ \"{{ alert.labels.instance }}|x\"', 'e = \"{{ alert.labels.evil }}\"'], duration: 2h, keep: true, comment: 'n {{ alert.labels.n }}'}",
        );
        assert_eq!(
            silence.matchers,
            written(&[("instance", "=~", "db1:9100|x"), ("e", "=", "$(id) `id` '\"; -x")])
        );
        assert_eq!((silence.lease_seconds, silence.comment.as_str(), keep), (7200, "n 7", true));
        let error =
            advance_result(&*compiled("silence: {matchers: ['a != b']}"), &Memo::Null, None).unwrap_err();
        assert_eq!(error.reason, FailureReason::Hold);
    }

    #[test]
    fn a_hold_that_was_made_ends_the_step_and_one_that_was_not_fails_it() {
        let silence = compiled("silence: {}");
        let made = Reply::Held { id: Some("id-1".to_owned()) };
        let (outcome, output) = done(advance(&*silence, &json!({}), Some(&made)));
        assert_eq!((outcome, &output["silence_id"]), (Outcome::Succeeded, &json!("id-1")));
        let refused = Reply::Impossible { message: "400: no".to_owned(), retryable: false, untouched: false };
        let (outcome, _) = done(advance(&*silence, &json!({}), Some(&refused)));
        assert_eq!(outcome, Outcome::failed_for_good(FailureReason::Hold, "400: no"));
        let release = advance(&*compiled("silence: {expire: mute}"), &Memo::Null, None);
        assert!(matches!(release, Move::Release { step, .. } if step == "mute"));
    }

    #[test]
    fn what_does_not_go_together_is_a_problem() {
        assert_eq!(
            problems("silence: {keep: true}"),
            [
                "keep-duration: what is kept when the run ends needs a `duration`, after which it ends at \"keep\" of step.yaml"
            ]
        );
        assert_eq!(
            problems("silence: {expire: mute, duration: 1h}"),
            ["hold-keys: `duration` means nothing beside `expire` at \"duration\" of step.yaml"]
        );
    }
}
