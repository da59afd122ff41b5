//! One step: the keys that every step may have, and exactly one that says what it does.

use std::collections::HashMap;
use std::time::Duration;

use super::flow::Declared;
use super::limits;
use super::parse::Parser;
use super::schema::{COMMON_KEYS, CONTROL_KEYS, kind_keys};
use super::types::{Block, Body, Step};
use crate::model::StepId;
use crate::step::{Compiler, DEFAULT_STEP_TIMEOUT, Needs, StepKind, Use};
use crate::template::Expression;
use crate::text::{Diagnostic, Entry, Node, Spanned, closest, suggestion, word_list};

/// Steps that were read.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// In order.
    pub(super) steps: Vec<Step>,
    /// Ids of all steps in it, those inside others too.
    pub(super) ids: Vec<String>,
    /// Whether it surely fails, so that nothing behind it runs.
    pub(super) fails: bool,
}

/// What a step does, as far as it could be read.
struct Did {
    body: Option<Body>,
    fails: bool,
    /// The timeout that it has when the step says nothing.
    timeout: Option<Duration>,
    /// Its kind makes use of the step's `timeout` by itself.
    ends_itself: bool,
}

/// Keys that people know from elsewhere, and the kind that does it here.
const KNOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("run", "shell"),
    ("script", "shell"),
    ("bash", "shell"),
    ("sh", "shell"),
    ("command", "exec"),
    ("cmd", "exec"),
    ("argv", "exec"),
    ("args", "exec"),
    ("ssh", "exec"),
    ("kubectl", "exec"),
    ("uri", "http"),
    ("url", "http"),
    ("request", "http"),
    ("webhook", "http"),
    ("get", "http"),
    ("post", "http"),
    ("curl", "http"),
    ("sleep", "wait"),
    ("delay", "wait"),
    ("pause", "wait"),
    ("verify", "wait"),
    ("approval", "approve"),
    ("ask", "approve"),
    ("confirm", "approve"),
    ("manual", "approve"),
    ("input", "approve"),
    ("query", "prometheus"),
    ("promql", "prometheus"),
    ("debug", "log"),
    ("echo", "log"),
    ("print", "log"),
    ("message", "log"),
    ("vars", "set"),
    ("set_fact", "set"),
    ("include", "playbook"),
    ("uses", "playbook"),
    ("group", "block"),
    ("if", "when"),
    ("loop", "foreach"),
    ("with_items", "foreach"),
    ("for_each", "foreach"),
    ("ignore_errors", "continue_on_error"),
    ("allow_failure", "continue_on_error"),
    ("retries", "retry"),
    ("environment", "env"),
    ("title", "name"),
];

impl Parser<'_, '_> {
    /// Reads steps in order.
    pub(super) fn steps(&mut self, nodes: &[Node]) -> Steps {
        let mut read = Steps { ids: ids_in(nodes), ..Steps::default() };
        let mut ended = None;
        for (index, node) in nodes.iter().enumerate() {
            if let Some(place) = ended {
                let message = "this step is never reached: the step before it always fails";
                let warning =
                    Diagnostic::warning("unreachable-step", self.reader.file, first_key(node), message);
                self.reader.out.push(
                    warning
                        .related(place, "this one fails")
                        .hint("add `when` to that step, or leave this one out"),
                );
                ended = None;
            }
            let id = segment(nodes, index);
            let (step, fails) = self.step(node, id);
            read.steps.extend(step);
            if fails && !read.fails {
                read.fails = true;
                ended = Some(first_key(node));
            }
        }
        read
    }

    /// Reads one step; also tells whether it surely fails.
    fn step(&mut self, node: &Node, segment: String) -> (Option<Step>, bool) {
        if node.entries().is_empty() || !self.count_step(node) {
            return (None, false);
        }
        self.unknown_keys(node);
        let kind = self.the_kind(node);
        let id = node.get("id").and_then(Node::as_str);
        let mark = self.flow.mark();
        let outer = self.flow.names();
        let sets = self.flow.sets();
        self.flow.begin(id);
        let foreach = node.get("foreach").and_then(|list| {
            let (list, uses) = self.expression("foreach", list);
            self.flow.add_item(uses.iter().any(|found| self.flow.is_tainted(found)) || list.is_none());
            list
        });
        let when = node.get("when").and_then(|when| {
            let (when, uses) = self.expression("when", when);
            if let Some(when) = &when {
                self.flow.behind_when(when.source(), &uses);
            }
            when
        });
        let did = match kind {
            Some((entry, Some(kind))) => self.action(node, entry, kind),
            Some((entry, None)) => self.control(node, entry),
            None => Did { body: None, fails: false, timeout: None, ends_itself: false },
        };
        if foreach.is_some() {
            self.flow.leave(&mark);
            let inside: Vec<String> = ids_in(std::slice::from_ref(node))
                .into_iter()
                .filter(|known| Some(known.as_str()) != id)
                .collect();
            self.flow.end_turns(&inside, id);
        }
        self.flow.end(id);
        self.flow.leave(&mark);
        self.flow.put_back(outer);
        self.flow.set_again(sets);
        let continue_on_error = self.reader.flag(node, "continue_on_error");
        let fails = did.fails && when.is_none() && foreach.is_none() && !continue_on_error;
        let step =
            self.common(node, segment, did).map(|step| Step { when, continue_on_error, foreach, ..step });
        (step, fails)
    }

    /// Reads the keys that have nothing to do with names.
    fn common(&mut self, node: &Node, segment: String, did: Did) -> Option<Step> {
        let Did { body, timeout: default, ends_itself, .. } = did;
        // A look of a wait has its own limit: that of the whole is the kind's.
        let timeout =
            if ends_itself { default } else { self.reader.timeout_or_none(node, "timeout", default) };
        let retry = limits::retry(&mut self.reader, node);
        let read_only = self.reader.flag(node, "read_only");
        let idempotent = self.reader.flag(node, "idempotent");
        if let Some(Body::Action(action)) = &body {
            let harmless = read_only || idempotent || action.changes_nothing();
            if let Some(span) = node.key_span("retry").filter(|_| retry.attempts > 1 && !harmless) {
                let hint =
                    "add `idempotent: true` when doing it twice is the same as once, or `read_only: true`"
                        .to_owned();
                let message =
                    "a failed attempt of this step may have done something, and would be done again";
                self.reader.warning("retry-not-idempotent", span, message, Some(hint));
            }
        }
        let written = node.get("id").and_then(Node::as_str);
        let name = self.reader.text(node, "name").or(written).unwrap_or(&segment).to_owned();
        Some(Step {
            named: written.is_some(),
            name,
            id: segment,
            when: None,
            timeout,
            retry,
            continue_on_error: false,
            foreach: None,
            read_only,
            idempotent,
            body: body?,
            place: self.reader.place(node.span),
        })
    }

    /// Reads an expression and checks its names.
    pub(super) fn expression(&mut self, field: &str, node: &Node) -> (Option<Expression>, Vec<Use>) {
        let mut compiler = Compiler::new(self.reader.file, self.reader.out);
        let expression = compiler.expression(field, node, &[]);
        let (uses, _) = compiler.finish();
        self.flow.check(&uses, self.reader.out);
        (expression, uses)
    }

    /// Reads the work of a kind.
    fn action(&mut self, step: &Node, entry: &Entry, kind: &'static StepKind) -> Did {
        let ends_itself = matches!(kind.name, "wait" | "approve");
        let timeout = step.get("timeout").filter(|_| ends_itself);
        let mut compiler =
            Compiler::new(self.reader.file, self.reader.out).with_env(step.get("env")).with_timeout(timeout);
        let action = compiler.kind(kind, &entry.value);
        let (uses, ids) = compiler.finish();
        self.flow.check(&uses, self.reader.out);
        for id in &ids {
            self.known_step(id);
        }
        if kind.name == "set" {
            for entry in entry.value.entries() {
                let name = &entry.key.value;
                let of_it = |found: &&Use| found.field == *name;
                let is_tainted = uses.iter().filter(of_it).any(|found| self.flow.is_tainted(found));
                self.variable_name(&entry.key);
                self.flow.set_var(name, is_tainted);
            }
        }
        if let Some(action) = &action {
            let mut needs = Needs::default();
            action.needs(&mut needs);
            self.need(&needs, step, entry.value.span);
            if let Some(asks) = action.asks() {
                self.people(step, entry, asks);
            }
        }
        let timeout = Some(DEFAULT_STEP_TIMEOUT);
        Did { body: action.map(Body::Action), fails: kind.name == "fail", timeout, ends_itself }
    }

    /// Reads what holds steps of its own.
    fn control(&mut self, step: &Node, entry: &Entry) -> Did {
        self.meaningless(step, entry);
        match entry.key.value.as_str() {
            "parallel" => {
                let steps = self.parallel(entry.value.items());
                Did {
                    body: Some(Body::Parallel(steps.steps)),
                    fails: steps.fails,
                    timeout: None,
                    ends_itself: false,
                }
            }
            "block" => {
                let doubtful = self.reader.flag(step, "continue_on_error");
                let lists = match entry.value.get("steps") {
                    Some(steps) => {
                        [steps.items(), items(&entry.value, "on_failure"), items(&entry.value, "finally")]
                    }
                    None => [entry.value.items(), &[], &[]],
                };
                let (block, fails) = self.block(lists, doubtful);
                Did { body: Some(Body::Block(block)), fails, timeout: None, ends_itself: false }
            }
            _ => {
                let (block, timeout) = self.inlined(&entry.value).unzip();
                Did {
                    body: block.map(Body::Block),
                    fails: false,
                    timeout: timeout.flatten(),
                    ends_itself: false,
                }
            }
        }
    }

    /// Reads steps with handlers.
    pub(super) fn block(
        &mut self,
        [steps, on_failure, finally]: [&[Node]; 3],
        goes_on: bool,
    ) -> (Block, bool) {
        let steps = self.steps(steps);
        let doubt = self.flow.new_condition();
        self.flow.make_doubtful(&steps.ids, doubt);
        let on_failure = self.handler(on_failure, true);
        let finally = self.handler(finally, false);
        if !goes_on {
            self.flow.make_certain(&steps.ids, doubt);
        }
        let block =
            Block { steps: steps.steps, on_failure: on_failure.steps, finally: finally.steps, vars: None };
        (block, steps.fails)
    }

    fn handler(&mut self, nodes: &[Node], may_not_run: bool) -> Steps {
        if nodes.is_empty() {
            return Steps::default();
        }
        let mark = self.flow.mark();
        let outer = self.flow.names();
        let sets = self.flow.sets();
        self.flow.add_failed();
        if may_not_run {
            self.flow.in_handler();
        }
        self.whole.in_finally += usize::from(!may_not_run);
        let steps = self.steps(nodes);
        self.whole.in_finally -= usize::from(!may_not_run);
        self.flow.leave(&mark);
        self.flow.put_back(outer);
        self.flow.set_again(sets);
        steps
    }

    /// Reads steps that run side by side.
    fn parallel(&mut self, nodes: &[Node]) -> Steps {
        let mut read = Steps { ids: ids_in(nodes), ..Steps::default() };
        let branches: Vec<Vec<String>> =
            nodes.iter().map(|node| ids_in(std::slice::from_ref(node))).collect();
        let outer = self.flow.names();
        let sets = self.flow.sets();
        for (index, node) in nodes.iter().enumerate() {
            let others: Vec<String> = branches
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != index)
                .flat_map(|(_, ids)| ids.clone())
                .collect();
            let before = self.flow.put_beside(&others);
            self.flow.put_back(outer.clone());
            let (step, fails) = self.step(node, segment(nodes, index));
            self.flow.put_steps_back(before);
            read.steps.extend(step);
            read.fails |= fails;
        }
        self.flow.put_back(outer);
        self.flow.set_again(sets);
        read
    }

    // Which keys.

    /// Finds the one key that says what a step does; the kind is `None` for what holds steps.
    fn the_kind<'n>(&mut self, node: &'n Node) -> Option<(&'n Entry, Option<&'static StepKind>)> {
        let kinds: Vec<&Entry> =
            node.entries().iter().filter(|entry| kind_keys().any(|key| key == entry.key.value)).collect();
        let Some((first, more)) = kinds.split_first() else {
            if node.entries().iter().all(|entry| COMMON_KEYS.contains(&entry.key.value.as_str())) {
                let known: Vec<&str> = kind_keys().collect();
                let hint = format!("add one of {}", word_list(&known));
                self.reader.error(
                    "no-kind",
                    first_key(node),
                    "this step does nothing: no key says what",
                    Some(hint),
                );
            }
            return None;
        };
        for second in more {
            let (key, other) = (&second.key.value, &first.key.value);
            let message = format!("`{key}` beside `{other}`: a step does one thing");
            let problem = Diagnostic::error("two-kinds", self.reader.file, second.key.span, message);
            let hint = "make it two steps; `block` and `parallel` hold several";
            self.reader.out.push(problem.related(first.key.span, format!("`{other}` is here")).hint(hint));
        }
        if !more.is_empty() {
            return None;
        }
        Some((first, StepKind::named(&first.key.value)))
    }

    fn unknown_keys(&mut self, node: &Node) {
        let known = || COMMON_KEYS.into_iter().chain(kind_keys());
        for entry in node.entries() {
            let key = entry.key.value.as_str();
            if known().any(|known| known == key) || entry.value.is_broken() {
                continue;
            }
            let elsewhere = KNOWN_ELSEWHERE.iter().find(|(word, _)| *word == key).map(|(_, here)| *here);
            let hint = match (elsewhere, closest(key, known())) {
                (Some(here), _) => Some(format!("here it is called `{here}`")),
                (None, Some(near)) => Some(format!("did you mean `{near}`?")),
                (None, None) => {
                    let kinds: Vec<&str> = kind_keys().collect();
                    Some(format!("what a step can do: {}", word_list(&kinds)))
                }
            };
            self.reader.error("unknown-key", entry.key.span, format!("unknown key `{key}` in a step"), hint);
        }
    }

    /// Says which keys mean nothing to what holds steps.
    fn meaningless(&mut self, step: &Node, entry: &Entry) {
        let kind = entry.key.value.as_str();
        for key in ["retry", "env", "idempotent", "read_only"] {
            self.means_nothing(step, key, kind);
        }
        if kind == "parallel" {
            self.means_nothing(step, "timeout", kind);
        }
    }

    fn means_nothing(&mut self, step: &Node, key: &str, kind: &str) {
        if let Some(span) = step.key_span(key) {
            let hint = "write it at the steps inside".to_owned();
            self.reader.error(
                "key-means-nothing",
                span,
                format!("`{key}` means nothing to `{kind}`"),
                Some(hint),
            );
        }
    }

    fn known_step(&mut self, id: &Spanned<String>) {
        let known = self.flow.step_ids();
        if !known.contains(&id.value.as_str()) {
            let hint = suggestion(&id.value, known.iter().copied());
            let problem = Diagnostic::error(
                "unknown-step",
                self.reader.file,
                id.span,
                format!("there is no step `{}`", id.value),
            );
            self.reader.out.push(problem.maybe_hint(hint));
        }
    }

    /// Gathers the named steps of a playbook, before any of them is read.
    pub(super) fn declare(&mut self, lists: &[&[Node]]) -> HashMap<String, Declared> {
        let mut found = HashMap::new();
        for list in lists {
            self.declare_list(list, &mut found);
        }
        found
    }

    fn declare_list(&mut self, nodes: &[Node], found: &mut HashMap<String, Declared>) {
        for node in nodes {
            if let Some(id) = node.get("id") {
                self.declare_step(node, id, found);
            }
            for list in lists_in(node) {
                self.declare_list(list, found);
            }
        }
    }

    fn declare_step(&mut self, node: &Node, id: &Node, found: &mut HashMap<String, Declared>) {
        let Some(text) = id.as_str() else { return };
        if let Err(bad) = StepId::new(text) {
            let message = format!("`{}` is not {}: {}", bad.text, bad.what, bad.problem);
            self.reader.error("bad-id", id.span, message, bad.hint);
        }
        if let Some(first) = found.get(text) {
            let first = first.span;
            let problem = Diagnostic::error(
                "id-twice",
                self.reader.file,
                id.span,
                format!("there are two steps `{text}`"),
            );
            self.reader
                .out
                .push(problem.related(first, "the first is here").hint("give one of them another id"));
            return;
        }
        let kind = node.entries().iter().find_map(|entry| StepKind::named(&entry.key.value));
        let asks = node.get("approve").map(|approve| approve.get("inputs").map_or(&[][..], Node::entries));
        let inputs = asks.map(|inputs| inputs.iter().map(|entry| entry.key.value.clone()).collect());
        let declared = Declared::new(id.span, kind, node.get("foreach").is_some());
        found.insert(text.to_owned(), declared.asking(inputs));
    }
}

/// The items of a list under a key.
pub(super) fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).map_or(&[], Node::items)
}

/// The place of a mapping's first key.
pub(super) fn first_key(node: &Node) -> crate::text::Span {
    node.entries().first().map_or(node.span, |entry| entry.key.span)
}

/// The lists of steps that a step holds.
fn lists_in(step: &Node) -> Vec<&[Node]> {
    let mut lists = Vec::new();
    for key in &CONTROL_KEYS[..2] {
        if let Some(node) = step.get(key) {
            lists.push(node.items());
            for inner in ["steps", "on_failure", "finally"] {
                lists.push(items(node, inner));
            }
        }
    }
    lists.retain(|list| !list.is_empty());
    lists
}

/// The ids of steps and of all steps inside them.
fn ids_in(nodes: &[Node]) -> Vec<String> {
    let mut ids = Vec::new();
    let mut left: Vec<&Node> = nodes.iter().collect();
    while let Some(node) = left.pop() {
        ids.extend(node.get("id").and_then(Node::as_str).map(str::to_owned));
        for list in lists_in(node) {
            left.extend(list);
        }
    }
    ids
}

/// The segment of a step's path: its id, or its place in its list, unique there.
fn segment(nodes: &[Node], index: usize) -> String {
    let id = |node: &Node| node.get("id").and_then(Node::as_str).map(str::to_owned);
    if let Some(id) = nodes.get(index).and_then(id) {
        return id;
    }
    let mut name = format!("step{}", index + 1);
    while nodes.iter().any(|node| id(node).as_deref() == Some(name.as_str())) {
        name.push('_');
    }
    name
}
