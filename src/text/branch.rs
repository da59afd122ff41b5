//! Which branch of `anyOf` or `oneOf` a value was meant to be, so that what is wrong is said about that one.

use serde_json::Value;

use super::core_schema::{CoreValue, core_value};
use super::diagnostic::Diagnostic;
use super::node::{Node, NodeKind};
use super::schema::{self, SchemaMap, Types};
use super::suggest;
use super::walk::{Walk, start};

/// What came of choosing.
pub(super) enum Choice<'a> {
    /// This branch is what was meant.
    Branch(&'a Value),
    /// The alternatives are only about which keys there are: the rest of the schema goes on.
    Unneeded,
    /// Nothing more is to be checked: a problem was reported, now or before.
    Settled,
}

impl<'a> Walk<'a> {
    /// Picks the branch that was meant; reports a problem where none can have been.
    pub(super) fn choose(&mut self, node: &Node, list: &'a [Value]) -> Choice<'a> {
        if let NodeKind::Broken = node.kind {
            return Choice::Settled;
        }
        if list.iter().all(|branch| branch.as_object().is_some_and(only_required)) {
            self.alternatives(node, list);
            return Choice::Unneeded;
        }
        let bits = types_of_node(node);
        let fitting: Vec<&Value> =
            list.iter().filter(|branch| schema::types_of(self.root, branch).has(bits)).collect();
        match (&node.kind, fitting.as_slice()) {
            (_, []) => self.no_branch(node, list),
            (_, [one]) => Choice::Branch(one),
            (NodeKind::Scalar(_), _) => self.choose_for_scalar(node, &fitting),
            (NodeKind::Mapping(_), _) => self.choose_for_mapping(node, &fitting),
            _ => self.try_all(node, &fitting),
        }
    }

    /// `oneOf: [{required: [a]}, {required: [b]}]`: exactly one of some keys.
    fn alternatives(&mut self, node: &Node, list: &'a [Value]) {
        let keys = |branch: &'a Value| branch.as_object().into_iter().flat_map(schema::required);
        let there: Vec<&str> = list.iter().flat_map(keys).filter(|key| node.get(key).is_some()).collect();
        if !matches!(node.kind, NodeKind::Mapping(_)) || there.len() == 1 {
            return;
        }
        if there.is_empty() {
            let wanted: Vec<&str> = list.iter().flat_map(keys).collect();
            let message = "missing the key that says what this is".to_owned();
            let hint = format!("one of {}", suggest::list(&wanted));
            self.report(Diagnostic::error("missing-key", self.file, start(node), message).hint(hint));
            return;
        }
        let first = node.key_span(there[0]).unwrap_or(node.span);
        for second in &there[1..] {
            let place = node.key_span(second).unwrap_or(node.span);
            let message = format!("`{second}` beside `{}`: only one of them is possible", there[0]);
            let problem = Diagnostic::error("conflicting-keys", self.file, place, message);
            self.report(problem.related(first, format!("`{}` is here", there[0])));
        }
    }

    fn no_branch(&mut self, node: &Node, list: &'a [Value]) -> Choice<'a> {
        let wanted = list.iter().map(|b| schema::types_of(self.root, b)).fold(Types::NONE, Types::or);
        self.wrong_type(node, wanted);
        Choice::Settled
    }

    fn choose_for_scalar(&mut self, node: &Node, fitting: &[&'a Value]) -> Choice<'a> {
        let Some(scalar) = node.as_scalar() else { return Choice::Settled };
        let mut free = Vec::new();
        let mut allowed = Vec::new();
        for branch in fitting {
            match schema::literals_of(self.root, branch) {
                Some(literals) if literals.iter().any(|literal| is_literal(scalar, literal)) => {
                    return Choice::Branch(branch);
                }
                Some(literals) => allowed.extend(literals),
                None => free.push(*branch),
            }
        }
        if free.is_empty() {
            self.unknown_value(node, &allowed);
            return Choice::Settled;
        }
        let exact = exact_type(&core_value(scalar));
        let of_type = |wanted: Types| {
            let all = free.iter().filter(|branch| schema::types_of(self.root, branch).has(wanted));
            all.copied().collect::<Vec<_>>()
        };
        let mut best = of_type(exact);
        if best.is_empty() {
            best = of_type(Types::TEXT);
        }
        match best.as_slice() {
            [] => Choice::Branch(free[0]),
            [one] => Choice::Branch(one),
            several => self.try_all(node, several),
        }
    }

    fn choose_for_mapping(&mut self, node: &Node, fitting: &[&'a Value]) -> Choice<'a> {
        let scored: Vec<(Fit, &Value)> = fitting
            .iter()
            .map(|branch| (self.fit(node, &schema::flat(self.root, branch)), *branch))
            .collect();
        let entries = node.entries();
        let closed =
            |branch: &Value| schema::flat(self.root, branch).iter().any(|map| schema::is_closed(map));
        if !entries.is_empty()
            && scored.iter().all(|(fit, branch)| fit.known == 0 && closed(branch))
            && !entries.iter().all(|entry| entry.value.is_broken())
        {
            let maps = fitting.iter().flat_map(|branch| schema::flat(self.root, branch));
            let names: Vec<&str> = maps.flat_map(schema::property_names).collect();
            self.unknown_keys(node, &entries.iter().collect::<Vec<_>>(), &names);
            return Choice::Settled;
        }
        let most = scored.iter().map(|(fit, _)| *fit).max().unwrap_or_default();
        let best: Vec<&Value> =
            scored.iter().filter(|(fit, _)| *fit == most).map(|(_, branch)| *branch).collect();
        match best.as_slice() {
            [one] => Choice::Branch(one),
            several => self.try_all(node, several),
        }
    }

    fn fit(&self, node: &Node, maps: &[&'a SchemaMap]) -> Fit {
        let mut fit = Fit { tags: 0, known: 0, missing: 0 };
        for entry in node.entries() {
            let Some(property) = maps.iter().find_map(|map| schema::property(map, &entry.key.value)) else {
                continue;
            };
            fit.known += 1;
            if let (Some(literals), Some(scalar)) =
                (schema::literals_of(self.root, property), entry.value.as_scalar())
            {
                fit.tags += if literals.iter().any(|literal| is_literal(scalar, literal)) { 1 } else { -1 };
            }
        }
        let missing = maps.iter().flat_map(|map| schema::required(map)).filter(|key| node.get(key).is_none());
        fit.missing = -i32::try_from(missing.count()).unwrap_or(i32::MAX);
        fit
    }

    /// Checks the value against each branch and picks the first with the fewest problems. What was
    /// picked is remembered, so that lists in lists don't multiply the work.
    fn try_all(&mut self, node: &Node, several: &[&'a Value]) -> Choice<'a> {
        let first = several.first().map_or(0, |branch| std::ptr::from_ref(*branch).addr());
        let key = (std::ptr::from_ref(node).addr(), first, several.len());
        if let Some(&index) = self.chosen.get(&key) {
            return several.get(index).map_or(Choice::Settled, |branch| Choice::Branch(branch));
        }
        let mut best: Option<(usize, usize)> = None;
        for (index, branch) in several.iter().enumerate() {
            let problems = self.trial(node, branch);
            if best.is_none_or(|(least, _)| problems < least) {
                best = Some((problems, index));
            }
            if problems == 0 {
                break;
            }
        }
        let index = best.map_or(0, |(_, index)| index);
        self.chosen.insert(key, index);
        several.get(index).map_or(Choice::Settled, |branch| Choice::Branch(branch))
    }
}

/// How well a mapping fits a branch, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Fit {
    /// Keys whose value must be a certain one and is (or, counted down, isn't).
    tags: i32,
    /// Keys that the branch knows.
    known: i32,
    /// Keys that the branch requires and that aren't there, as a negative number.
    missing: i32,
}

fn only_required(map: &SchemaMap) -> bool {
    schema::word(map, "required").is_some()
        && map.keys().all(|key| matches!(key.as_str(), "required" | "description" | "title"))
}

fn exact_type(value: &CoreValue) -> Types {
    match value {
        CoreValue::Null => Types::NULL,
        CoreValue::Bool(_) => Types::BOOLEAN,
        CoreValue::Int(_) => Types::INTEGER,
        CoreValue::Float(_) => Types::FLOAT,
        CoreValue::Text => Types::TEXT,
    }
}

/// The types that a node can be read as.
fn types_of_node(node: &Node) -> Types {
    match &node.kind {
        NodeKind::Scalar(scalar) => {
            let text = if scalar.is_null() && scalar.value.is_empty() { Types::NONE } else { Types::TEXT };
            exact_type(&core_value(scalar)).or(text)
        }
        NodeKind::Sequence(_) => Types::LIST,
        NodeKind::Mapping(_) => Types::MAPPING,
        NodeKind::Broken => Types::ALL,
    }
}

/// Says whether a scalar is the value that a schema allows; text is compared by its spelling.
pub(super) fn is_literal(scalar: &super::scalar::Scalar, literal: &Value) -> bool {
    match literal {
        Value::String(text) => *text == scalar.value,
        Value::Null => scalar.is_null(),
        Value::Bool(b) => core_value(scalar) == CoreValue::Bool(*b),
        Value::Number(number) => match core_value(scalar) {
            CoreValue::Int(n) | CoreValue::Float(n) => n.as_f64() == number.as_f64(),
            _ => false,
        },
        Value::Array(_) | Value::Object(_) => false,
    }
}
