//! From files to playbooks: [`parse_files`]. Every problem of every file is found in one pass.

use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};

use super::document::{Document, Documents};
use super::facts::Facts;
use super::flow::Flow;
use super::library::Library;
use super::limits;
use super::parallel::in_parallel;
use super::parse_step::items;
use super::read::Reader;
use super::trigger::trigger;
use super::types::{Block, Concurrency, Need, Needed, Playbook, Recheck, Sync};
use crate::model::{PlaybookName, StepId};
use crate::step::{Compiler, Needs};
use crate::template::{Expression, JsonTemplate};
use crate::text::{Diagnostic, Diagnostics, Node, NodeKind, Span, Spanned, suggestion};

/// Of the whole run, when the playbook says nothing: 1 hour.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Of `finally`, when the playbook says nothing: 1 minute.
const DEFAULT_FINALLY_TIMEOUT: Duration = Duration::from_secs(60);
/// How many steps a playbook may have, those of inlined playbooks too.
const STEP_LIMIT: usize = 10_000;
/// How deep playbooks may be inlined into one another.
pub(super) const DEPTH_LIMIT: usize = 32;

/// What came of reading files.
#[derive(Debug)]
pub struct Loaded {
    /// The playbooks without errors, in the order of the files.
    pub library: Library,
    /// Everything that is wrong or doubtful, sorted.
    pub diagnostics: Diagnostics,
}

impl Loaded {
    /// Returns the library when no file has an error.
    ///
    /// # Errors
    /// All problems, warnings too.
    pub fn into_result(self) -> Result<Library, Diagnostics> {
        if self.diagnostics.has_errors() { Err(self.diagnostics) } else { Ok(self.library) }
    }
}

/// Reads files, each a name for people and its bytes; each YAML document is one playbook.
///
/// Nothing stops at the first problem: every file is read and every playbook compiled as far as it goes.
pub fn parse_files(files: impl IntoIterator<Item = (String, Vec<u8>)>, facts: &Facts) -> Loaded {
    let mut diagnostics = Diagnostics::new();
    let mut documents = Documents::of_library();
    documents.read(files.into_iter().collect(), &mut diagnostics);
    let mut playbooks = Vec::with_capacity(documents.all.len());
    let bytes = documents.all.iter().map(|document| document.source().len()).sum();
    let compiled = in_parallel((0..documents.all.len()).collect(), bytes, |at| {
        let (playbook, found) = compile(&documents, at, facts);
        (playbook.map(Arc::new), found)
    });
    for (playbook, found) in compiled {
        diagnostics.extend(found);
        playbooks.extend(playbook);
    }
    diagnostics.sort();
    Loaded { library: Library::new(playbooks), diagnostics }
}

/// Reads the text that a run keeps of its playbook ([`Playbook::text`]) once more.
///
/// What the configuration offers may have changed since then; what is missing shows when it is needed.
///
/// # Errors
/// The text is not that of a playbook of this version.
pub fn compile_text(text: &str, facts: &Facts) -> Result<Playbook, Diagnostics> {
    let facts = Facts { matcher_syntax: facts.matcher_syntax, ..Facts::default() };
    let mut diagnostics = Diagnostics::new();
    let mut documents = Documents::default();
    documents.read(vec![("the playbook of the run".to_owned(), text.as_bytes().to_vec())], &mut diagnostics);
    let (playbook, found) = compile(&documents, 0, &facts);
    diagnostics.extend(found);
    diagnostics.sort();
    match playbook {
        Some(playbook) if !diagnostics.has_errors() => Ok(playbook),
        _ if diagnostics.has_errors() => Err(diagnostics),
        _ => Err(Diagnostic::without_place("no-playbook", "the run keeps no text of its playbook").into()),
    }
}

/// Compiles one document as a playbook of its own; nothing comes back when something is wrong with it.
fn compile(documents: &Documents, at: usize, facts: &Facts) -> (Option<Playbook>, Diagnostics) {
    let mut found = Diagnostics::new();
    let Some(document) = documents.all.get(at) else { return (None, found) };
    let mut whole = Whole {
        documents,
        used: vec![at],
        inlining: Vec::new(),
        steps: 0,
        needs: Vec::new(),
        in_finally: 0,
        is_sound: document.is_sound,
    };
    let playbook = Parser::new(document, facts, &mut found, &mut whole).playbook(document);
    let is_sound = whole.is_sound && !found.has_errors();
    (playbook.filter(|_| is_sound), found)
}

/// What belongs to a whole playbook, with those that are inlined into it.
pub(super) struct Whole<'d> {
    /// All documents.
    pub(super) documents: &'d Documents,
    /// The documents that it is made of, itself first.
    pub(super) used: Vec<usize>,
    /// The playbooks that are being inlined, the outermost first.
    pub(super) inlining: Vec<String>,
    /// Steps so far.
    pub(super) steps: usize,
    /// What it needs of the configuration.
    pub(super) needs: Vec<Needed>,
    /// How many lists of `finally` are around the present place.
    pub(super) in_finally: usize,
    /// Whether no document that it is made of has a problem of its own.
    pub(super) is_sound: bool,
}

/// Reads one document.
pub(super) struct Parser<'p, 'd> {
    /// Reads plain values.
    pub(super) reader: Reader<'p>,
    /// What may be read at the present place.
    pub(super) flow: Flow<'p>,
    /// The playbook that this becomes a part of.
    pub(super) whole: &'p mut Whole<'d>,
}

impl<'p, 'd> Parser<'p, 'd> {
    /// Begins a document.
    pub(super) fn new(
        document: &'p Document,
        facts: &'p Facts,
        out: &'p mut Diagnostics,
        whole: &'p mut Whole<'d>,
    ) -> Parser<'p, 'd> {
        let flow = Flow::of_run(&document.file, facts);
        Parser { reader: Reader { file: &document.file, facts, out }, flow, whole }
    }

    /// Reads it as a playbook of its own.
    fn playbook(mut self, document: &'p Document) -> Option<Playbook> {
        let root = &document.root;
        if !matches!(root.kind, NodeKind::Mapping(_)) {
            return None;
        }
        let name = self.name(root);
        self.whole.inlining.extend(document.name().map(str::to_owned));
        let when = self.trigger_when(root);
        let trigger = trigger(&mut self.reader, root, when);
        let limits = limits::limits(&mut self.reader, root);
        self.check_hand_over(root, &limits, &trigger.statuses);
        let recheck = limits::recheck(&self.reader, root);
        let sync = self.sync(root, recheck);
        let timeout = self.reader.timeout_or_none(root, "timeout", Some(DEFAULT_TIMEOUT));
        let finally_timeout = self.finally_timeout(root);
        let cancel_on_resolved = limits::cancel_on_resolved(&mut self.reader, root, &trigger.statuses);
        let vars = self.vars(root, &[]);
        let concurrency = self.concurrency(root);
        let block = self.body(root);
        let text: Arc<str> = self.text().into();
        let owned = |key: &str| self.reader.text(root, key).map(str::to_owned);
        Some(Playbook {
            name: name?,
            digest: hex(&digest(&SHA256, text.as_bytes()).as_ref()[..8]),
            text,
            place: self.reader.place(root.span),
            description: owned("description").unwrap_or_default(),
            owner: owned("owner"),
            runbook_url: owned("runbook_url"),
            trigger,
            limits,
            concurrency: concurrency?,
            recheck,
            timeout,
            finally_timeout,
            cancel_on_resolved,
            sync,
            vars,
            steps: block.steps,
            on_failure: block.on_failure,
            finally: block.finally,
            needs: std::mem::take(&mut self.whole.needs),
        })
    }

    /// Reads `steps`, `on_failure` and `finally` of a document.
    pub(super) fn body(&mut self, root: &Node) -> Block {
        let lists = [items(root, "steps"), items(root, "on_failure"), items(root, "finally")];
        let declared = self.declare(&lists);
        self.flow.begin_steps(declared);
        if let Some(node) = root.get("steps").filter(|node| node.items().is_empty())
            && matches!(node.kind, NodeKind::Sequence(_))
            && !node.is_broken()
        {
            self.reader.error("no-steps", node.span, "a playbook without steps does nothing", None);
        }
        let (block, _) = self.block(lists, false);
        for (name, span) in std::mem::take(&mut self.flow.env) {
            self.note(Need::Variable(name), "", span);
        }
        block
    }

    fn name(&mut self, root: &Node) -> Option<PlaybookName> {
        let node = root.get("name")?;
        match PlaybookName::new(node.as_str()?) {
            Ok(name) => Some(name),
            Err(bad) => {
                let message = format!("`{}` is not {}: {}", bad.text, bad.what, bad.problem);
                self.reader.error("bad-name", node.span, message, bad.hint);
                None
            }
        }
    }

    fn trigger_when(&mut self, root: &Node) -> Option<Expression> {
        let node = root.get("when")?;
        let mut compiler = Compiler::new(self.reader.file, self.reader.out);
        let when = compiler.expression("when", node, &[]);
        let (uses, _) = compiler.finish();
        let mut flow = Flow::of_trigger(self.reader.file, self.reader.facts);
        flow.check(&uses, self.reader.out);
        self.flow.env.append(&mut flow.env);
        when
    }

    fn sync(&mut self, root: &Node, recheck: Recheck) -> Sync {
        let sync = limits::sync(&mut self.reader, root);
        let purposes = [
            (sync.inhibit, "sync", "inhibit", "sync.inhibit"),
            (sync.silence, "sync", "silence", "sync.silence"),
            (sync.alert_on_failure, "sync", "on_failure", "sync.on_failure"),
        ];
        let mut needs = Needs::default();
        for (_, parent, key, purpose) in purposes.into_iter().filter(|(wanted, ..)| *wanted) {
            needs.alertmanager_for(purpose);
            let span = root.get(parent).and_then(|node| node.key_span(key)).unwrap_or(root.span);
            self.need(&std::mem::take(&mut needs), root, span);
        }
        if matches!(recheck, Recheck::Start | Recheck::Always) {
            needs.alertmanager_for("recheck");
            self.need(&needs, root, root.key_span("recheck").unwrap_or(root.span));
        }
        sync
    }

    fn finally_timeout(&mut self, root: &Node) -> Duration {
        let default = Some(DEFAULT_FINALLY_TIMEOUT);
        let key = "finally_timeout";
        if let Some(span) = root.key_span(key).filter(|_| root.get("finally").is_none()) {
            let hint = Some("leave it out, or add `finally`".to_owned());
            self.reader.warning("finally-timeout-unused", span, "there are no steps under `finally`", hint);
        }
        if root.get(key).and_then(Node::as_str) == Some("none") {
            return self.reader.duration(root, key).unwrap_or(DEFAULT_FINALLY_TIMEOUT);
        }
        self.reader.timeout_or_none(root, key, default).unwrap_or(DEFAULT_FINALLY_TIMEOUT)
    }

    /// Reads `vars` but those that are given from outside, in order: each sees those before it.
    pub(super) fn vars(&mut self, root: &Node, given: &[String]) -> Vec<(String, JsonTemplate)> {
        let mut vars = Vec::new();
        for entry in root.get("vars").map(Node::entries).unwrap_or_default() {
            let name = &entry.key.value;
            self.variable_name(&entry.key);
            if given.contains(name) {
                continue;
            }
            let (value, is_tainted) = self.variable(name, &entry.value);
            self.flow.add_var(name, is_tainted);
            vars.extend(value.map(|value| (name.clone(), value)));
        }
        vars
    }

    /// Reads the value of a variable; also tells whether strangers may have written it.
    pub(super) fn variable(&mut self, name: &str, node: &Node) -> (Option<JsonTemplate>, bool) {
        let mut compiler = Compiler::new(self.reader.file, self.reader.out);
        let value = compiler.json(name, node);
        let (uses, _) = compiler.finish();
        self.flow.check(&uses, self.reader.out);
        let is_tainted = value.is_none() || uses.iter().any(|found| self.flow.is_tainted(found));
        (value, is_tainted)
    }

    /// Refuses names of variables that no expression can read.
    pub(super) fn variable_name(&mut self, name: &Spanned<String>) {
        if let Err(bad) = StepId::new(name.value.as_str()) {
            let message = format!("`{}` is not a variable's name: {}", bad.text, bad.problem);
            self.reader.error("bad-variable-name", name.span, message, bad.hint);
        }
    }

    fn concurrency(&mut self, root: &Node) -> Option<Option<Concurrency>> {
        let Some(node) = root.get("concurrency") else { return Some(None) };
        let Some(key) = node.get("key") else { return Some(None) };
        let mut compiler = Compiler::new(self.reader.file, self.reader.out);
        let template = compiler.text("key", key);
        let (uses, _) = compiler.finish();
        self.flow.check(&uses, self.reader.out);
        let when_busy = limits::when_busy(&self.reader, node);
        template.map(|key| Some(Concurrency { key, when_busy }))
    }

    /// Counts a step; false when there are too many.
    pub(super) fn count_step(&mut self, node: &Node) -> bool {
        self.whole.steps += 1;
        if self.whole.steps == STEP_LIMIT + 1 {
            let message = format!("more than {STEP_LIMIT} steps, with those of inlined playbooks");
            self.reader.error("too-many-steps", node.span, message, None);
        }
        self.whole.steps <= STEP_LIMIT
    }

    /// Tells whether another playbook of so many steps has room, before any of it is read; says once that it
    /// has none.
    pub(super) fn may_inline(&mut self, steps: usize, name: &str, span: Span) -> bool {
        if self.whole.inlining.len() > DEPTH_LIMIT {
            let message =
                format!("playbooks are inlined into one another more than {DEPTH_LIMIT} levels deep");
            let hint = "write the steps of one of them where it is named".to_owned();
            self.reader.error("inlined-too-deep", span, message, Some(hint));
            return false;
        }
        let total = self.whole.steps.saturating_add(steps);
        if total > STEP_LIMIT && self.whole.steps <= STEP_LIMIT {
            let message = format!(
                "with the {steps} steps that `{name}` brings, this playbook has {total}: more than {STEP_LIMIT}"
            );
            let hint =
                "a playbook that is inlined twice counts twice, with all that is inlined into it".to_owned();
            self.reader.error("too-many-steps", span, message, Some(hint));
            self.whole.steps = STEP_LIMIT + 1;
        }
        total <= STEP_LIMIT
    }

    /// Notes what is needed of the configuration, and says what it does not have. What has a name is looked for
    /// inside `within`; what has none is placed at `span`.
    pub(super) fn need(&mut self, needs: &Needs, within: &Node, span: Span) {
        let facts = self.reader.facts;
        if let Some(purpose) = &needs.alertmanager {
            self.note(Need::Alertmanager, purpose, span);
            if facts.alertmanager == Some(false) {
                let message = format!("`{purpose}` needs an Alertmanager, and none is configured");
                let hint =
                    "without one, `amflow run` leaves this playbook out: set `alertmanager.url`".to_owned();
                self.reader.warning("needs-alertmanager", span, message, Some(hint));
            }
        }
        if needs.prometheus {
            self.note(Need::Prometheus, "", span);
            if facts.prometheus == Some(false) {
                let hint =
                    "without one, `amflow run` leaves this playbook out: set `prometheus.url`".to_owned();
                let message = "this needs a Prometheus, and none is configured";
                self.reader.warning("needs-prometheus", span, message, Some(hint));
            }
        }
        for name in &needs.connections {
            let span = named_in(within, "connection", name).unwrap_or(span);
            self.need_named("connection", "unknown-connection", name, facts.connections.as_deref(), span);
            self.note(Need::Connection(name.clone()), "", span);
        }
        for name in &needs.secrets {
            let span = named_in(within, "secret", name).unwrap_or(span);
            self.need_named("secret", "unknown-secret", name, facts.secrets.as_deref(), span);
            self.note(Need::Secret(name.clone()), "", span);
        }
        for name in &needs.groups {
            self.note(Need::Group(name.clone()), "", span);
        }
    }

    fn need_named(
        &mut self,
        what: &str,
        code: &'static str,
        name: &str,
        known: Option<&[String]>,
        span: Span,
    ) {
        let Some(known) = known.filter(|known| !known.iter().any(|other| other == name)) else { return };
        let hint = suggestion(name, known.iter().map(String::as_str))
            .unwrap_or_else(|| format!("define it under `{what}s` in the configuration"));
        self.reader.error(code, span, format!("there is no {what} `{name}`"), Some(hint));
    }

    /// Notes one need, unless it is known already.
    fn note(&mut self, need: Need, purpose: &str, span: Span) {
        if self.whole.needs.iter().all(|known| known.need != need) {
            let (file, purpose) = (Arc::clone(self.reader.file), purpose.to_owned());
            self.whole.needs.push(Needed { need, purpose, file, span });
        }
    }

    /// Puts together the text from which this can be compiled again.
    fn text(&self) -> String {
        let mut text = String::new();
        for at in &self.whole.used {
            let Some(document) = self.whole.documents.all.get(*at) else { continue };
            if !text.is_empty() {
                text.push_str("---\n");
            }
            text.push_str(document.source());
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        text
    }
}

/// Finds where a name is the value of a key, anywhere inside a node.
fn named_in(node: &Node, key: &str, name: &str) -> Option<Span> {
    let here = node.get(key).filter(|value| value.as_str() == Some(name)).map(|value| value.span);
    let inside = node.entries().iter().map(|entry| &entry.value).chain(node.items());
    here.or_else(|| inside.into_iter().find_map(|inner| named_in(inner, key, name)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        hex.push_str(&format!("{byte:02x}"));
        hex
    })
}
