//! What commands share that have to do with tasks: which one is meant, and why a decision was not taken. And
//! [`Asker`], which asks in place, on a terminal.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, IsTerminal as _};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::context::Context;
use super::error::{CliError, Exit};
use super::ui::{Tone, Ui};
use super::workbench;
use crate::config::Settings;
use crate::engine::{Clock, DecideError, Engine, RunTask, Say, Store, TaskStatus, decide, find_task};
use crate::model::People;
use crate::report::{short_id, task_lines};
use crate::step::{Question, Refusal};
use crate::text::escape_for_terminal;

/// A task as a person names it: `RUN` or `RUN/STEP`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The run, or a part of its id.
    pub(super) run: String,
    /// The step.
    pub(super) step: Option<String>,
}

impl Named {
    /// Reads what was typed: an id has no slash, a step's path may have several.
    pub(super) fn parse(text: &str) -> Named {
        match text.split_once('/') {
            Some((run, step)) => Named { run: run.to_owned(), step: Some(step.to_owned()) },
            None => Named { run: text.to_owned(), step: None },
        }
    }
}

/// Finds the task that a person means.
pub(super) fn find(context: &Context, store: &dyn Store, named: &Named) -> Result<RunTask, CliError> {
    let run = super::commands::find_run(context, store, &named.run)?.header.run;
    let now = workbench::clock().now();
    let found = context.block_on(find_task(store, &run, named.step.as_deref(), now))?;
    found.map_err(|error| refused(&run, named.step.as_deref().unwrap_or_default(), error))
}

/// Says why a decision was not made, with the exit code that tells it apart.
pub(super) fn refused(run: &str, step: &str, error: DecideError) -> CliError {
    let id = short_id(run);
    let task = if step.is_empty() { id.to_owned() } else { format!("{id}/{step}") };
    let message = format!("{task}: {error}");
    match error {
        DecideError::Store(error) => CliError::of(Exit::Unable, &error),
        DecideError::NoTask { .. } => {
            CliError::usage(format_args!("{id}: {error}")).hint("`amflow tasks list` has what is open")
        }
        DecideError::Ambiguous { steps, .. } => {
            let message = format!("{id}: the run asks several things");
            steps.iter().fold(CliError::usage(message), |error, step| error.hint(format_args!("{id}/{step}")))
        }
        DecideError::Over { .. } => CliError::new(Exit::Expired, message),
        DecideError::Refused(refusal) => {
            let exit = match refusal {
                Refusal::Decided { .. } | Refusal::Twice { .. } => Exit::Decided,
                Refusal::Expired { .. } => Exit::Expired,
                Refusal::NotAllowed { .. } => Exit::NotAllowed,
                Refusal::Changed { .. } => Exit::Changed,
                Refusal::BadInput { .. } => Exit::Usage,
            };
            let error = CliError::new(exit, message);
            match refusal {
                Refusal::Changed { .. } => error.hint(format_args!("`amflow tasks show {task}` shows it")),
                Refusal::BadInput { name, .. } if name != "comment" => {
                    error.hint(format_args!("give it by `--set {name}=VALUE`"))
                }
                _ => error,
            }
        }
    }
}

/// Asks a person in place, one task at a time.
pub(super) struct Asker {
    engine: Engine,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    people: People,
    who: String,
    lines: UnboundedReceiver<Option<String>>,
    /// Nothing more can be typed.
    closed: bool,
    queue: VecDeque<(String, String)>,
    asking: Option<Asking>,
}

/// A task that is being asked, and how far that is.
struct Asking {
    found: RunTask,
    approve: Option<bool>,
    inputs: BTreeMap<String, Value>,
    /// Questions that are still to be asked.
    left: VecDeque<Question>,
}

impl Asker {
    /// Makes one, where somebody sits at a terminal: their lines are read from standard input.
    pub(super) fn at_terminal(context: &Context, settings: &Settings, engine: Engine) -> Option<Asker> {
        if !std::io::stdin().is_terminal() || !context.ui.is_watched() || settings.no_wait {
            return None;
        }
        let (tell, lines) = unbounded_channel();
        // A thread of its own: nothing waits for it when the program ends while it reads.
        let reading = std::thread::Builder::new().name("amflow-stdin".to_owned()).spawn(move || {
            let mut input = std::io::stdin().lock().lines();
            while let Some(Ok(line)) = input.next() {
                if tell.send(Some(line)).is_err() {
                    return;
                }
            }
            let _ = tell.send(None);
        });
        reading.ok()?;
        Some(Asker {
            store: engine.store().clone(),
            engine,
            clock: workbench::clock(),
            people: settings.people.clone(),
            who: workbench::os_user(context),
            lines,
            closed: false,
            queue: VecDeque::new(),
            asking: None,
        })
    }

    /// Returns the next line that was typed; never, when there is none.
    pub(super) async fn line(&mut self) -> Option<String> {
        match self.lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }

    /// Tells whether a question stands on the terminal.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Takes note of a task that is open, and asks it when nothing else is asked.
    pub(super) async fn opened(&mut self, ui: &Ui, run: &str, step: &str) {
        self.queue.push_back((run.to_owned(), step.to_owned()));
        self.ask_next(ui).await;
    }

    /// Takes note that a task is settled without what is asked here.
    pub(super) async fn settled(&mut self, ui: &Ui, run: &str, step: &str) {
        self.queue.retain(|(of, at)| of != run || at != step);
        let is_it = |asking: &Asking| asking.found.run.header.run == run && asking.found.state.step == step;
        if self.asking.as_ref().is_some_and(is_it) {
            self.asking = None;
            ui.say_even_if_quiet("\n");
            ui.say(format_args!("{}/{step} is settled without your answer", short_id(run)));
            self.ask_next(ui).await;
        }
    }

    async fn ask_next(&mut self, ui: &Ui) {
        while self.asking.is_none() {
            let Some((run, step)) = self.queue.pop_front() else { return };
            let now = self.clock.now();
            let Ok(found) = find_task(self.store.as_ref(), &run, Some(&step), now).await else { continue };
            if !matches!(found.status, TaskStatus::Open { .. }) {
                continue;
            }
            if self.closed {
                self.leave(ui, &run, &step);
                continue;
            }
            let groups = self.people.groups_of(&self.who);
            let task = &found.state.task;
            if let Err(why) = task.may_decide(&self.who, &groups) {
                let id = short_id(&run);
                ui.say(format_args!(
                    "{id}/{step} waits for others than {} ({why}): `amflow approve {id}/{step}`",
                    self.who
                ));
                continue;
            }
            ui.say_even_if_quiet("\n");
            for line in task_lines(&found, 20) {
                ui.say_even_if_quiet(&format!("  {line}\n"));
            }
            let left = task.questions.iter().map(|question| {
                let mut question = question.clone();
                // What somebody has answered already is what an empty line leaves.
                let earlier = task.answered(&found.state.decisions, &question.name);
                question.default = earlier.map(|(_, answer)| answer.clone()).or(question.default);
                question
            });
            let left = left.collect();
            self.asking = Some(Asking { found, approve: None, inputs: BTreeMap::new(), left });
            self.prompt(ui);
        }
    }

    /// Leaves a task to others, and its run without this process.
    fn leave(&self, ui: &Ui, run: &str, step: &str) {
        ui.say(format_args!("left open: `amflow approve {}/{step}`", short_id(run)));
        self.engine.leave(run);
    }

    /// Writes what the next line is to say.
    pub(super) fn prompt(&self, ui: &Ui) {
        let Some(asking) = &self.asking else { return };
        let text = match (asking.approve, asking.left.front()) {
            (None, _) => "approve? [yes, no; empty leaves it to others]".to_owned(),
            (Some(true), Some(question)) => {
                let default = match &question.default {
                    Some(Value::String(text)) => format!(" [{text}]"),
                    Some(default) => format!(" [{default}]"),
                    None => String::new(),
                };
                let prompt = escape_for_terminal(&question.prompt).into_owned();
                format!("{prompt} ({}){}", question.wanted(), escape_for_terminal(&default))
            }
            (Some(_), _) => "comment [none]".to_owned(),
        };
        ui.say_even_if_quiet(&format!("{} ", ui.err_paint(Tone::Strong, &text)));
    }

    /// Takes a line that was typed; none at the end of the input.
    pub(super) async fn typed(&mut self, ui: &Ui, line: Option<String>) {
        let Some(line) = line else {
            self.closed = true;
            if let Some(asking) = self.asking.take() {
                ui.say_even_if_quiet("\n");
                self.leave(ui, &asking.found.run.header.run, &asking.found.state.step);
            }
            self.ask_next(ui).await;
            return;
        };
        let Some(asking) = &mut self.asking else { return };
        let line = line.trim();
        match (asking.approve, asking.left.front()) {
            (None, _) => match line.to_ascii_lowercase().as_str() {
                "yes" | "y" => asking.approve = Some(true),
                "no" | "n" => asking.approve = Some(false),
                "" => {
                    let run = asking.found.run.header.run.clone();
                    let step = asking.found.state.step.clone();
                    self.asking = None;
                    self.leave(ui, &run, &step);
                    self.ask_next(ui).await;
                    return;
                }
                _ => ui.say_even_if_quiet("write `yes` or `no`\n"),
            },
            (Some(true), Some(question)) => {
                let may_be_left = question.default.is_some() || !question.required;
                if line.is_empty() && may_be_left {
                    asking.left.pop_front();
                } else {
                    match question.accept(&Value::from(line)) {
                        Ok(answer) => {
                            asking.inputs.insert(question.name.clone(), answer);
                            asking.left.pop_front();
                        }
                        Err(problem) => ui.say_even_if_quiet(&format!("{}\n", escape_for_terminal(&problem))),
                    }
                }
            }
            (Some(approve), _) => {
                let comment = line.to_owned();
                self.decide(ui, approve, comment).await;
                return;
            }
        }
        self.prompt(ui);
    }

    async fn decide(&mut self, ui: &Ui, approve: bool, comment: String) {
        let Some(asking) = self.asking.take() else { return };
        let (run, step) = (asking.found.run.header.run.clone(), asking.found.state.step.clone());
        let say = Say {
            approve,
            by: self.who.clone(),
            groups: self.people.groups_of(&self.who),
            comment,
            inputs: asking.inputs,
            via: "terminal".to_owned(),
            ..Say::from(&asking.found.state.task)
        };
        let now = self.clock.now();
        match decide(self.store.as_ref(), &run, Some(&step), say, now).await {
            Ok(decided) => {
                if let TaskStatus::Open { missing } = decided.task.status {
                    ui.say(format_args!("{}/{step}: {missing} more must approve", short_id(&run)));
                }
            }
            Err(error) => ui.warn(refused(&run, &step, error)),
        }
        self.ask_next(ui).await;
    }
}
