//! Alertmanager's inhibition rules, and what an alert would mute by them. Main type: [`InhibitRules`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::client::yaml::parse_foreign;
use crate::model::{LabelSet, MatchOp, Matcher, MatcherSyntax, parse_list};

/// The inhibition rules of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct InhibitRules(Vec<Rule>);

/// What an alert mutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mute {
    /// Nothing: no rule takes it for a source with this target.
    Nothing,
    /// The target, and no alert beside it.
    Exactly,
    /// The target, and every alert that differs from it in these labels alone.
    More(BTreeSet<String>),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    source: Vec<Matcher>,
    target: Vec<Matcher>,
    equal: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    inhibit_rules: Option<Vec<RuleDocument>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuleDocument {
    source_match: Option<BTreeMap<String, String>>,
    source_match_re: Option<BTreeMap<String, String>>,
    source_matchers: Option<Vec<String>>,
    target_match: Option<BTreeMap<String, String>>,
    target_match_re: Option<BTreeMap<String, String>>,
    target_matchers: Option<Vec<String>>,
    equal: Option<Vec<String>>,
}

impl InhibitRules {
    /// Reads the rules of an Alertmanager's configuration, as its status gives it out.
    ///
    /// # Errors
    /// It is no YAML, or a matcher in it is none.
    pub fn parse(config: &str) -> Result<InhibitRules, String> {
        let document: Document = parse_foreign(config)?;
        document
            .inhibit_rules
            .unwrap_or_default()
            .into_iter()
            .map(Rule::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Tells whether an alert with the labels of `source`, while it fires, mutes one with those of `target`.
    pub fn inhibits(&self, source: &LabelSet, target: &LabelSet) -> bool {
        self.0.iter().any(|rule| rule.inhibits(source, target))
    }

    /// Returns what an alert with the labels of `source` mutes beside `target`, whose labels it carries.
    pub fn mute(&self, source: &LabelSet, target: &LabelSet) -> Mute {
        let mut rules = self.0.iter().filter(|rule| rule.inhibits(source, target)).peekable();
        if rules.peek().is_none() {
            return Mute::Nothing;
        }
        let more: BTreeSet<String> = rules.flat_map(|rule| rule.leaves_open(target)).collect();
        if more.is_empty() { Mute::Exactly } else { Mute::More(more) }
    }
}

impl Rule {
    fn new(document: RuleDocument) -> Result<Rule, String> {
        Ok(Rule {
            source: matchers(document.source_match, document.source_match_re, document.source_matchers)?,
            target: matchers(document.target_match, document.target_match_re, document.target_matchers)?,
            equal: document.equal.unwrap_or_default(),
        })
    }

    fn inhibits(&self, source: &LabelSet, target: &LabelSet) -> bool {
        let (is_source, is_target) = (all(&self.source, source), all(&self.target, target));
        // A target that is a source, too, is not muted by one that is a target, too.
        let both = || all(&self.source, target) && all(&self.target, source);
        // A label that both lack counts as equal.
        let equal = || self.equal.iter().all(|name| source.get(name) == target.get(name));
        is_source && is_target && equal() && !both()
    }

    /// Returns the labels of a target in which others may differ that are muted with it.
    fn leaves_open<'r>(&'r self, target: &'r LabelSet) -> impl Iterator<Item = String> + 'r {
        let is_fixed = |name: &str| {
            self.equal.iter().any(|equal| equal == name)
                || self.target.iter().any(|matcher| matcher.name() == name && matcher.op() == MatchOp::Equal)
        };
        target.iter().filter(move |(name, _)| !is_fixed(name)).map(|(name, _)| name.to_owned())
    }
}

fn all(matchers: &[Matcher], labels: &LabelSet) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// Reads the three ways in which a rule says which alerts it means.
fn matchers(
    equal: Option<BTreeMap<String, String>>,
    regex: Option<BTreeMap<String, String>>,
    written: Option<Vec<String>>,
) -> Result<Vec<Matcher>, String> {
    let mut found = Vec::new();
    for (op, pairs) in [(MatchOp::Equal, equal), (MatchOp::Regex, regex)] {
        for (name, value) in pairs.unwrap_or_default() {
            found.push(Matcher::new(name, op, value).map_err(|error| error.to_string())?);
        }
    }
    for text in written.unwrap_or_default() {
        let list = parse_list(&text, MatcherSyntax::Fallback);
        found.extend(list.map_err(|error| format!("`{text}`: {}", error.message))?.matchers);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::shared_data;

    const CONFIG: &str = "global: {smtp_from: x}\nroute: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules:\n  \
        - source_match: {alertname: Down}\n    target_match_re: {alertname: 'Slow|Late'}\n    equal: [cluster]\n  \
        - source_matchers: ['amflow_state=\"running\"']\n    target_matchers: ['amflow_state=\"\"']\n    equal: [alertname, instance]\n";

    fn labels<const N: usize>(pairs: [(&str, &str); N]) -> LabelSet {
        LabelSet::from(pairs)
    }

    #[test]
    fn what_a_mute_covers_is_told_by_the_labels_that_its_rule_compares() {
        let rules = InhibitRules::parse(CONFIG).unwrap();
        let target = labels([("alertname", "Disk"), ("instance", "one")]);
        let mute = |target: &LabelSet| rules.mute(&target.clone().with("amflow_state", "running"), target);
        assert_eq!(mute(&target), Mute::Exactly);
        let more = mute(&target.clone().with("severity", "critical").with("device", "sda"));
        assert_eq!(more, Mute::More(["device".to_owned(), "severity".to_owned()].into()));
        assert_eq!(rules.mute(&target, &target), Mute::Nothing, "no source");
        assert_eq!(mute(&target.clone().with("amflow_state", "failed")), Mute::Nothing, "amflow's own");
        let none = InhibitRules::parse("route: {receiver: a}\ninhibit_rules:\n").unwrap();
        assert_eq!(none.mute(&target.clone().with("amflow_state", "running"), &target), Mute::Nothing);
    }

    #[test]
    fn the_old_ways_to_write_a_rule_are_read_and_wrong_ones_are_told() {
        let rules = InhibitRules::parse(CONFIG).unwrap();
        let down = labels([("alertname", "Down")]);
        assert!(rules.inhibits(&down, &labels([("alertname", "Late")])));
        assert!(!rules.inhibits(&down, &labels([("alertname", "Late"), ("cluster", "a")])));
        assert!(!rules.inhibits(&down, &labels([("alertname", "Disk")])));
        assert!(InhibitRules::parse("inhibit_rules: [{source_matchers: ['a=~\"(\"']}]").is_err());
        assert!(InhibitRules::parse("inhibit_rules: x").is_err());
    }

    #[test]
    fn alerts_are_inhibited_as_in_alertmanager() {
        let Some(path) = shared_data("vectors/inhibition.json") else { return };
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let rule = |rule: &Value| {
                let texts = |key: &str| serde_json::from_value(rule[key].clone()).unwrap();
                Rule::new(RuleDocument {
                    source_matchers: texts("source"),
                    target_matchers: texts("target"),
                    equal: texts("equal"),
                    ..RuleDocument::default()
                })
            };
            let rules = vector["rules"].as_array().unwrap().iter().map(rule).collect::<Result<_, _>>();
            let rules = InhibitRules(rules.unwrap());
            let firing: Vec<LabelSet> = serde_json::from_value(vector["firing"].clone()).unwrap();
            let target: LabelSet = serde_json::from_value(vector["target"].clone()).unwrap();
            let inhibited = firing.iter().any(|source| rules.inhibits(source, &target));
            assert_eq!(Value::Bool(inhibited), vector["inhibited"], "{vector}");
        }
    }
}
