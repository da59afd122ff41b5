//! [`Flow`]: what may be read at the place of a playbook that is being read: its names, and the steps that
//! have run by then.
//!
//! The rule for steps: what ran for certain may be read. `status`, `reason`, `attempts` and `duration` of a
//! step are always there once its turn has passed, also when it was skipped. Its other fields are not there
//! when it was skipped (`when`), or when a failure came before it (in handlers): they are read with
//! `| default(...)`, or behind a look at `steps.ID.status`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::facts::Facts;
use super::names;
use crate::step::{COMMON_FIELDS, Field, FieldType, MustTrust, Named, StepKind, Use};
use crate::template::{Names, Reference, Taint};
use crate::text::{Diagnostic, Diagnostics, SourceFile, Span, closest, word_list};

/// Fields that are there once a step's turn has passed, even when it was skipped.
const ALWAYS: [&str; 4] = ["status", "reason", "attempts", "duration"];

/// What is known of a named step.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    /// Where its id stands.
    pub(super) span: Span,
    /// Its kind; `None` for what holds steps of its own.
    pub(super) kind: Option<&'static StepKind>,
    /// Whether it is taken for each item of a list.
    pub(super) foreach: bool,
    /// The names of the answers that it asks for, when it asks people.
    inputs: Option<Vec<String>>,
    turn: Turn,
    /// What must be so for it to have run, beside that its turn has passed.
    conditions: Vec<Condition>,
}

/// When a step has its turn, as seen from the present place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Turn {
    /// Later.
    ToCome,
    /// It is the present place, or around it.
    Now,
    /// Beside it, in the same `parallel`.
    Beside,
    /// It is over.
    Over,
    /// It is over, in the turns of a `foreach`.
    InTurns(Option<String>),
}

/// Something that may not be so. Equal numbers are the same thing.
type Condition = u32;

/// What may be read at a place.
#[derive(Debug)]
pub(super) struct Flow<'f> {
    file: &'f Arc<SourceFile>,
    names: Names,
    steps: HashMap<String, Declared>,
    /// What is so at this place.
    holds: Vec<Condition>,
    /// Steps at whose status the expressions around this place look.
    looked_at: Vec<String>,
    known_conditions: HashMap<String, Condition>,
    next_condition: Condition,
    /// Where `steps` is no name: in `vars` and in a key.
    before_steps: bool,
    /// In a trigger.
    in_trigger: bool,
    /// Variables that were set by steps, and whether strangers may have written them; in order.
    sets: Vec<(String, bool)>,
    /// What must be so for a variable to be there that only a step sets.
    doubtful_vars: HashMap<String, Vec<Condition>>,
    /// Variables of the environment that must be set, and where each is read first.
    pub(super) env: BTreeMap<String, Span>,
}

/// A mark to go back to.
#[derive(Debug)]
pub(super) struct Mark {
    holds: usize,
    looked_at: usize,
}

impl<'f> Flow<'f> {
    /// Begins where a trigger's `when` stands.
    pub(super) fn of_trigger(file: &'f Arc<SourceFile>, facts: &Facts) -> Flow<'f> {
        Flow { in_trigger: true, ..Flow::with_names(file, names::of_trigger(facts)) }
    }

    /// Begins where a playbook's `vars` stand.
    pub(super) fn of_run(file: &'f Arc<SourceFile>, facts: &Facts) -> Flow<'f> {
        Flow { before_steps: true, ..Flow::with_names(file, names::of_run(facts)) }
    }

    fn with_names(file: &'f Arc<SourceFile>, names: Names) -> Flow<'f> {
        Flow {
            file,
            names,
            steps: HashMap::new(),
            holds: Vec::new(),
            looked_at: Vec::new(),
            known_conditions: HashMap::new(),
            next_condition: 0,
            before_steps: false,
            in_trigger: false,
            sets: Vec::new(),
            doubtful_vars: HashMap::new(),
            env: BTreeMap::new(),
        }
    }

    /// Goes on to where the steps stand.
    pub(super) fn begin_steps(&mut self, steps: HashMap<String, Declared>) {
        self.before_steps = false;
        self.steps = steps;
    }

    /// Adds a variable.
    pub(super) fn add_var(&mut self, name: &str, is_tainted: bool) {
        names::add_var(&mut self.names, name, is_tainted);
    }

    /// Adds a variable that a step sets.
    pub(super) fn set_var(&mut self, name: &str, is_tainted: bool) {
        let path = ["vars".to_owned(), name.to_owned()];
        let known = self.names.facts(&path).map(|facts| facts.tainted);
        match (known, self.doubtful_vars.get_mut(name)) {
            (None, _) => {
                self.doubtful_vars.insert(name.to_owned(), self.holds.clone());
            }
            // Set once more: there when both conditions have in common what must be so.
            (Some(_), Some(conditions)) => conditions.retain(|condition| self.holds.contains(condition)),
            (Some(_), None) => {}
        }
        let is_tainted = is_tainted || known == Some(true);
        names::add_var(&mut self.names, name, is_tainted);
        self.sets.push((name.to_owned(), is_tainted));
    }

    /// Returns how many variables steps have set so far.
    pub(super) fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Adds again what was set since then, after names were put back.
    pub(super) fn set_again(&mut self, since: usize) {
        for (name, is_tainted) in &self.sets[since.min(self.sets.len())..] {
            names::add_var(&mut self.names, name, *is_tainted);
        }
    }

    /// Returns the ids of the steps.
    pub(super) fn step_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.steps.keys().map(String::as_str).collect();
        ids.sort_unstable();
        ids
    }

    /// Returns the names, to be put back after a part of the playbook that sees more.
    pub(super) fn names(&self) -> Names {
        self.names.clone()
    }

    /// Puts names back.
    pub(super) fn put_back(&mut self, names: Names) {
        self.names = names;
    }

    /// Adds what handlers see.
    pub(super) fn add_failed(&mut self) {
        names::add_failed(&mut self.names);
    }

    /// Adds the item of a `foreach`.
    pub(super) fn add_item(&mut self, is_tainted: bool) {
        names::add_item(&mut self.names, is_tainted);
    }

    // Places.

    /// Remembers what is so here.
    pub(super) fn mark(&self) -> Mark {
        Mark { holds: self.holds.len(), looked_at: self.looked_at.len() }
    }

    /// Goes back to what was so at a mark.
    pub(super) fn leave(&mut self, mark: &Mark) {
        self.holds.truncate(mark.holds);
        self.looked_at.truncate(mark.looked_at);
    }

    /// Goes on behind a `when`; two with the same text hold together.
    pub(super) fn behind_when(&mut self, source: &str, uses: &[Use]) {
        let condition = if let Some(known) = self.known_conditions.get(source.trim()) {
            *known
        } else {
            let new = self.new_condition();
            self.known_conditions.insert(source.trim().to_owned(), new);
            new
        };
        self.holds.push(condition);
        self.looked_at.extend(uses.iter().flat_map(looked_at));
    }

    /// Goes on in a handler, which may not run at all.
    pub(super) fn in_handler(&mut self) {
        let condition = self.new_condition();
        self.holds.push(condition);
    }

    /// Makes something that may not be so.
    pub(super) fn new_condition(&mut self) -> Condition {
        self.next_condition += 1;
        self.next_condition
    }

    /// Says that steps have run only if something is so.
    pub(super) fn make_doubtful(&mut self, ids: &[String], condition: Condition) {
        for id in ids {
            if let Some(step) = self.steps.get_mut(id) {
                step.conditions.push(condition);
            }
        }
    }

    /// Says that this is no longer in doubt.
    pub(super) fn make_certain(&mut self, ids: &[String], condition: Condition) {
        for id in ids {
            if let Some(step) = self.steps.get_mut(id) {
                step.conditions.retain(|known| *known != condition);
            }
        }
    }

    /// Begins a step.
    pub(super) fn begin(&mut self, id: Option<&str>) {
        if let Some(step) = id.and_then(|id| self.steps.get_mut(id)) {
            step.turn = Turn::Now;
        }
    }

    /// Ends a step, under the conditions that hold here.
    pub(super) fn end(&mut self, id: Option<&str>) {
        let holds = self.holds.clone();
        if let Some(step) = id.and_then(|id| self.steps.get_mut(id)) {
            step.turn = Turn::Over;
            step.conditions = holds;
        }
    }

    /// Says that steps lie in the turns of a `foreach` that is over.
    pub(super) fn end_turns(&mut self, ids: &[String], of: Option<&str>) {
        for id in ids {
            if let Some(step) = self.steps.get_mut(id) {
                step.turn = Turn::InTurns(of.map(str::to_owned));
            }
        }
    }

    /// Says that steps run beside the present place; returns how they were.
    pub(super) fn put_beside(&mut self, ids: &[String]) -> Vec<(String, Declared)> {
        let mut before = Vec::new();
        for id in ids {
            if let Some(step) = self.steps.get_mut(id) {
                before.push((id.clone(), step.clone()));
                step.turn = Turn::Beside;
            }
        }
        before
    }

    /// Puts steps back as they were.
    pub(super) fn put_steps_back(&mut self, before: Vec<(String, Declared)>) {
        self.steps.extend(before);
    }

    // What is read.

    /// Checks everything that uses read.
    pub(super) fn check(&mut self, uses: &[Use], out: &mut Diagnostics) {
        for found in uses {
            let looked_at: HashSet<String> = looked_at(found).collect();
            for named in &found.names {
                if local(found, &named.reference).is_none() {
                    self.check_name(named, found.locals, &looked_at, out);
                }
            }
            for must in &found.trusted {
                self.check_trust(found, must, out);
            }
        }
    }

    /// Tells whether strangers may have written what a use makes.
    pub(super) fn is_tainted(&self, found: &Use) -> bool {
        found.names.iter().any(|named| self.taint_of(found, &named.reference).is_some())
    }

    fn check_trust(&self, found: &Use, must: &MustTrust, out: &mut Diagnostics) {
        if let Some(through) = self.taint_of(found, &must.named.reference) {
            let message = format!("`{through}` comes from outside and would become {}", must.becomes);
            out.push(Diagnostic::error(must.code, self.file, must.named.span, message).hint(&must.hint));
        }
    }

    /// Returns the name through which strangers may have written a value.
    fn taint_of(&self, found: &Use, reference: &Reference) -> Option<String> {
        let name = || Some(reference.name());
        if let Some(field) = local(found, reference) {
            return if field.tainted { name() } else { None };
        }
        if reference.path.first().is_some_and(|first| first == "steps") {
            return if self.is_step_tainted(&reference.path) { name() } else { None };
        }
        match self.names.taint_of(std::slice::from_ref(reference)) {
            Taint::Trusted => None,
            Taint::Tainted { name } => Some(name),
        }
    }

    fn is_step_tainted(&self, path: &[String]) -> bool {
        let [_, id, field, inside @ ..] = path else { return true };
        let Some(step) = self.steps.get(id) else { return true };
        if field == "http" && inside.first().is_some_and(|name| name == "status") {
            return false;
        }
        match step.field(field) {
            Some(field) => field.tainted,
            None => true,
        }
    }

    fn check_name(
        &mut self,
        named: &Named,
        locals: &[Field],
        looked_at: &HashSet<String>,
        out: &mut Diagnostics,
    ) {
        let path = named.reference.path.as_slice();
        match path {
            [first, ..] if first == "steps" && !self.before_steps && !self.in_trigger => {
                self.check_step(named, looked_at, out);
            }
            [first, name, ..] if first == "vars" => {
                self.check_table(named, locals, out);
                self.check_var(named, name, out);
            }
            [first, name, ..] if first == "env" => {
                self.check_table(named, locals, out);
                if !named.reference.has_default {
                    self.env.entry(name.clone()).or_insert(named.span);
                }
            }
            _ => self.check_table(named, locals, out),
        }
    }

    /// A name of the table.
    fn check_table(&self, named: &Named, locals: &[Field], out: &mut Diagnostics) {
        let mut problems = Vec::new();
        self.names.check(std::slice::from_ref(&named.reference), &mut problems);
        for problem in problems {
            let first = named.reference.path.first().map_or("", String::as_str);
            let is_root =
                self.names.facts(&named.reference.path[..1.min(named.reference.path.len())]).is_none();
            let place = is_root.then(|| names::elsewhere(first, self.in_trigger)).flatten();
            let diagnostic = match (place, first) {
                (Some(hint), _) => {
                    let message = format!("there is no `{first}` at this place");
                    Diagnostic::error("name-not-here", self.file, named.span, message).hint(hint)
                }
                (None, "env") if !is_root => {
                    Diagnostic::error("unknown-env", self.file, named.span, problem.message)
                        .hint("list it under `env` in the configuration")
                }
                (None, "vars") if !is_root => {
                    let hint = "a variable may read those written before it, and steps read all of `vars`";
                    Diagnostic::error("unknown-variable", self.file, named.span, problem.message)
                        .maybe_hint(problem.hint.or_else(|| Some(hint.to_owned())))
                }
                _ => {
                    let of_answer = known_locals(first, locals).filter(|_| is_root);
                    Diagnostic::error("unknown-name", self.file, named.span, problem.message)
                        .maybe_hint(of_answer.or(problem.hint))
                }
            };
            out.push(diagnostic);
        }
    }

    /// A variable that only a step sets, and perhaps not.
    fn check_var(&self, named: &Named, name: &str, out: &mut Diagnostics) {
        let Some(conditions) = self.doubtful_vars.get(name) else { return };
        if named.reference.has_default || conditions.iter().all(|condition| self.holds.contains(condition)) {
            return;
        }
        let message = format!("the step that sets `vars.{name}` may not have run when this is read");
        let problem = Diagnostic::error("variable-may-be-unset", self.file, named.span, message);
        out.push(problem.hint(format!(
            "give it a value under the playbook's `vars`, or write `vars.{name} | default(\"\")`"
        )));
    }

    fn check_step(&self, named: &Named, looked_at: &HashSet<String>, out: &mut Diagnostics) {
        let [_, id, rest @ ..] = named.reference.path.as_slice() else { return };
        let error = |code, message: String| Diagnostic::error(code, self.file, named.span, message);
        let Some(step) = self.steps.get(id) else {
            out.push(
                error("unknown-step", format!("there is no step `{id}`")).maybe_hint(self.known_steps(id)),
            );
            return;
        };
        let there = |problem: Diagnostic| problem.related(step.span, format!("`{id}` is here"));
        match &step.turn {
            Turn::Over => {}
            Turn::Now => {
                let message = format!("the step `{id}` has not ended when this is read");
                out.push(there(error("step-not-run", message)).hint("read it in a later step"));
                return;
            }
            Turn::ToCome => {
                let message = format!("the step `{id}` comes later: it has not run when this is read");
                out.push(there(error("step-not-run", message)).hint("move the step that reads it behind it"));
                return;
            }
            Turn::Beside => {
                let message =
                    format!("the step `{id}` runs beside this one: it may not have ended when this is read");
                out.push(there(error("step-beside", message)).hint("read it after the `parallel`"));
                return;
            }
            Turn::InTurns(of) => {
                let message =
                    format!("the step `{id}` is taken for each item of a `foreach`: there is not one result");
                let hint = match of {
                    Some(of) => format!("`steps.{of}.items` has the result of each turn"),
                    None => {
                        "give the step with `foreach` an id: `steps.ID.items` has the result of each turn"
                            .to_owned()
                    }
                };
                out.push(there(error("step-in-foreach", message)).hint(hint));
                return;
            }
        }
        let Some((field, inside)) = rest.split_first() else { return };
        let Some(known) = step.field(field) else {
            out.push(
                there(error("unknown-output", format!("the step `{id}` gives no `{field}`")))
                    .hint(step.known_fields(field, id)),
            );
            return;
        };
        let is_one_value = matches!(known.kind, FieldType::Text | FieldType::Number);
        if let Some(part) = inside.first().filter(|part| is_one_value && part.parse::<usize>().is_err()) {
            let message = format!(
                "`steps.{id}.{field}` is a {} and has nothing inside, such as `{part}`",
                known.kind.word()
            );
            out.push(error("unknown-output", message));
            return;
        }
        let asked = step.inputs.as_ref().filter(|_| field == "inputs" && !step.foreach);
        if let (Some(asked), Some(name)) = (asked, inside.first())
            && !asked.contains(name)
        {
            let hint = match closest(name, asked.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `steps.{id}.inputs.{near}`?"),
                None => format!("ask for it under `inputs`: `{name}: {{type: string}}`"),
            };
            out.push(
                there(error("unknown-output", format!("the step `{id}` asks for no `{name}`"))).hint(hint),
            );
            return;
        }
        let certain = step.conditions.iter().all(|condition| self.holds.contains(condition));
        let guarded = named.reference.has_default || looked_at.contains(id) || self.looked_at.contains(id);
        if !certain && !guarded && !ALWAYS.contains(&field.as_str()) {
            let message =
                format!("the step `{id}` may not have run when this is read: then it has no `{field}`");
            let name = named.reference.name();
            let hint = format!(
                "write `{name} | default(\"\")`, or read it behind `when: steps.{id}.status == \"succeeded\"`"
            );
            out.push(there(error("step-may-be-skipped", message)).hint(hint));
        }
    }

    fn known_steps(&self, id: &str) -> Option<String> {
        let mut known: Vec<&str> = self.steps.keys().map(String::as_str).collect();
        known.sort_unstable();
        match closest(id, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `steps.{near}`?")),
            None if known.is_empty() => Some("no step of this playbook has an `id`".to_owned()),
            None if known.len() <= 12 => Some(format!("known here: {}", word_list(&known))),
            None => None,
        }
    }
}

/// The fields of a step that holds the turns of a `foreach`.
const TURNS: &[Field] = &[Field {
    name: "items",
    kind: FieldType::List,
    tainted: true,
    docs: "the results of the turns, in order",
}];

impl Declared {
    /// Makes what is known of a step before its turn.
    pub(super) fn new(span: Span, kind: Option<&'static StepKind>, foreach: bool) -> Declared {
        Declared { span, kind, foreach, inputs: None, turn: Turn::ToCome, conditions: Vec::new() }
    }

    /// Adds the names of the answers that it asks for.
    pub(super) fn asking(self, inputs: Option<Vec<String>>) -> Declared {
        Declared { inputs, ..self }
    }

    /// Goes through the fields that it gives.
    fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let own = match self.kind {
            _ if self.foreach => TURNS,
            Some(kind) => kind.outputs,
            None => &[],
        };
        COMMON_FIELDS.iter().chain(own)
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }

    fn known_fields(&self, name: &str, id: &str) -> String {
        let known: Vec<&str> = self.fields().map(|field| field.name).collect();
        match closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `steps.{id}.{near}`?"),
            None => format!("it gives {}", word_list(&known)),
        }
    }
}

/// A name that exists in one expression only.
fn local(found: &Use, reference: &Reference) -> Option<&'static Field> {
    let first = reference.path.first()?;
    found.locals.iter().find(|field| field.name == first)
}

/// Says which names exist in one expression only, to who wrote another one there.
fn known_locals(name: &str, locals: &[Field]) -> Option<String> {
    let known: Vec<&str> = locals.iter().map(|field| field.name).collect();
    match closest(name, known.iter().copied()) {
        _ if known.is_empty() => None,
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => Some(format!("the answer's fields are known here by their names: {}", word_list(&known))),
    }
}

/// The steps whose status a use looks at, or of which it asks whether there is anything to read.
fn looked_at(found: &Use) -> impl Iterator<Item = String> + '_ {
    found.names.iter().filter_map(|named| match named.reference.path.as_slice() {
        [steps, id, field] if steps == "steps" && field == "status" => Some(id.clone()),
        [steps, id] if steps == "steps" && named.reference.has_default => Some(id.clone()),
        _ => None,
    })
}
