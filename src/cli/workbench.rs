//! [`Workbench`]: an engine wired to the real world, as the settings say.

use std::future::Future;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::args::{AlertmanagerArgs, StoreArgs};
use super::asking::Asker;
use super::context::Context;
use super::error::{CliError, Exit, OrExit as _};
use super::reading;
use super::show::{ChannelReporter, News, Show};
use super::telemetry::Telemetry;
use crate::client::HttpOptions;
use crate::config::Settings;
use crate::engine::{
    Clock, Compile, Delivery, Engine, EngineOptions, Parts, Reporter, RunFilter, RunSummary, Stop, Stopper,
    Store, StoreError, StoreWatch, gate_keys,
};
use crate::perform::{Connection, Live, LiveOptions, SystemClock, ignores_hangup, life_of, owner};
use crate::playbook::compile_text;
use crate::run::{RunStatus, pauses_in_words};
use crate::store::{Access, Opening, open};
use crate::text::escape_for_terminal;

/// Returns the clock.
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Returns who started this program, as the system knows it: for runs, pauses, cancels and decisions.
pub(super) fn os_user(context: &Context) -> String {
    crate::perform::os_user(context.environment.text("SUDO_USER"))
}

/// Opens the store that the flag, the configuration or the system name.
pub(super) fn open_store(
    context: &Context,
    args: &StoreArgs,
    access: Access,
) -> Result<Arc<dyn Store>, CliError> {
    let settings = reading::settings(context, &AlertmanagerArgs::default(), None, Some(args), None)?;
    open_of(context, &settings, access)
}

/// Opens the store of the settings, and says which, so that nobody works on another one than they think.
pub(super) fn open_of(
    context: &Context,
    settings: &Settings,
    access: Access,
) -> Result<Arc<dyn Store>, CliError> {
    open_watched(context, settings, access, None)
}

/// The same, with somebody who measures how long it takes.
pub(super) fn open_watched(
    context: &Context,
    settings: &Settings,
    access: Access,
    watch: Option<Arc<dyn StoreWatch>>,
) -> Result<Arc<dyn Store>, CliError> {
    if access == Access::Write {
        context.survive_full_files()?;
    }
    let opening = Opening { group: settings.store.group, watch, ..Opening::new(access) };
    let opened = open(&settings.store.path, &opening).or_end(Exit::Unable)?;
    for notice in &opened.notices {
        context.ui.warn(notice);
    }
    context.ui.say(format_args!("store: {}", opened.store.place()));
    Ok(opened.store)
}

/// Says which pauses are in force: while one is, nothing of it starts, and people wonder.
pub(super) fn say_pauses(context: &Context, store: &dyn Store) -> Result<(), CliError> {
    let gates = context.block_on(store.gates(gate_keys::pause("")))?.or_end(Exit::Unable)?;
    for pause in pauses_in_words(&gates, clock().now()) {
        context.ui.say(escape_for_terminal(&pause));
    }
    Ok(())
}

/// An engine, and what belongs to it.
pub(super) struct Workbench {
    /// The engine.
    pub(super) engine: Engine,
    /// What it tells.
    pub(super) news: UnboundedReceiver<News>,
    /// By which it is stopped.
    pub(super) stopper: Stopper,
    /// How it hears of that.
    stop: Stop,
    /// What sends traces, where they are wanted.
    telemetry: Option<Telemetry>,
    /// Who asks people in place, where somebody sits at a terminal.
    pub(super) asker: Option<Asker>,
}

impl Workbench {
    /// Wires an engine that works on runs; `lines` says whether every event is told.
    pub(super) fn new(
        context: &Context,
        settings: &Settings,
        store: Arc<dyn Store>,
        lines: bool,
    ) -> Result<Workbench, CliError> {
        let (reporter, news) = ChannelReporter::new(lines);
        let reporter = Arc::new(reporter);
        for notice in &settings.telemetry.notices {
            context.ui.warn(notice);
        }
        let telemetry = if settings.telemetry.collector.is_some() {
            let told = reporter.clone();
            let tell = Arc::new(move |text: &str| told.notice(text));
            Some(Telemetry::start(context, &settings.telemetry, tell)?)
        } else {
            None
        };
        let options = live_options(context, settings)?;
        Ok(Self::wire(context, settings, store, options, reporter, news, telemetry))
    }

    /// Wires an engine for looks at what it would do: none of it is part of a run, or of a trace.
    pub(super) fn for_looks(
        context: &Context,
        settings: &Settings,
        store: Arc<dyn Store>,
    ) -> Result<Workbench, CliError> {
        let (reporter, news) = ChannelReporter::new(false);
        let options = LiveOptions { traces: false, ..live_options(context, settings)? };
        Ok(Self::wire(context, settings, store, options, Arc::new(reporter), news, None))
    }

    fn wire(
        context: &Context,
        settings: &Settings,
        store: Arc<dyn Store>,
        live: LiveOptions,
        reporter: Arc<dyn Reporter>,
        news: UnboundedReceiver<News>,
        telemetry: Option<Telemetry>,
    ) -> Workbench {
        let (stopper, stop) = Stop::new();
        let reporter = match &telemetry {
            Some(telemetry) => telemetry.beside(reporter),
            None => reporter,
        };
        let engine = Engine::new(Parts {
            store,
            performer: Arc::new(Live::new(live)),
            clock: clock(),
            reporter,
            owner: owner(),
            compile: compile(settings),
            life_of: Arc::new(life_of),
            options: EngineOptions { started_by: Some(os_user(context)), ..settings.engine_options() },
            stop: stop.clone(),
        });
        Workbench { engine, news, stopper, stop, telemetry, asker: None }
    }

    /// Warns when the store also knows alerts that may be those of this delivery under other labels.
    pub(super) fn warn_of_overlap(&self, context: &Context, delivery: &Delivery) -> Result<(), CliError> {
        if delivery.alerts.is_empty() {
            return Ok(());
        }
        let scope = &delivery.scope;
        let store = self.engine.store();
        let known = context.block_on(store.scopes())?.or_end(Exit::Unable)?;
        if let Some(other) = Settings::overlapping(scope, &known) {
            context.ui.warn(format_args!(
                "the store {} is fed with alerts of `{scope}` and of `{other}`: their labels differ, so that \
                 an alert that comes from both is worked on twice; give each a `--store` of its own",
                store.place()
            ));
        }
        Ok(())
    }

    /// Does some work while showing what it tells; SIGINT, SIGTERM and SIGHUP stop it, gently
    /// the first time. A SIGHUP that is ignored (`nohup`) stays ignored.
    pub(super) async fn attend<T>(&mut self, work: impl Future<Output = T>, show: &mut Show<'_>) -> T {
        let mut interrupt = signal(SignalKind::interrupt()).ok();
        let mut terminate = signal(SignalKind::terminate()).ok();
        let mut hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup()).ok()).flatten();
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                Some(news) = self.news.recv() => see(news, show, &mut self.asker).await,
                line = typed(&mut self.asker) => {
                    if let Some(asker) = &mut self.asker {
                        asker.typed(show.ui(), line).await;
                        show.hide_bars(asker.is_asking());
                    }
                }
                () = next(&mut interrupt) => self.stop("SIGINT", show),
                () = next(&mut terminate) => self.stop("SIGTERM", show),
                () = next(&mut hangup) => self.stop("SIGHUP", show),
            }
        };
        self.asker = None;
        if let Some(telemetry) = &self.telemetry {
            telemetry.flush(&self.stop).await;
        }
        while let Ok(news) = self.news.try_recv() {
            show.see(news);
        }
        done
    }

    fn stop(&self, by: &str, show: &mut Show<'_>) {
        let again = self.engine.stopped_by().is_some();
        let says = if again { "stopping at once" } else { "ending what runs; once more stops at once" };
        show.see(News::Notice(format!("{by}: {says}")));
        self.stopper.ask(by);
    }

    /// Returns the exit code of having been stopped, if that happened.
    pub(super) fn stopped(&self) -> Option<Exit> {
        Some(match self.engine.stopped_by()?.as_str() {
            "SIGTERM" | "SIGHUP" => Exit::Terminated,
            _ => Exit::Interrupted,
        })
    }

    /// Returns the runs that a poll would go on with.
    pub(super) async fn unfinished(&self) -> Result<Vec<RunSummary>, StoreError> {
        let statuses = vec![RunStatus::Queued, RunStatus::Running, RunStatus::Waiting];
        self.engine.store().list(RunFilter { statuses, ..RunFilter::default() }).await
    }
}

/// Returns what compiles stored playbooks again.
pub(super) fn compile(settings: &Settings) -> Compile {
    let facts = settings.facts();
    Arc::new(move |text| {
        compile_text(text, &facts).map(Arc::new).map_err(|problems| {
            let first = problems.iter().next();
            first.map_or_else(|| "its playbook no longer compiles".to_owned(), |d| d.message.clone())
        })
    })
}

/// Returns what the real performer needs.
pub(super) fn live_options(context: &Context, settings: &Settings) -> Result<LiveOptions, CliError> {
    let connections = settings.connections.iter().map(|(name, c)| {
        (
            name.clone(),
            Connection {
                url: c.url.at("/"),
                http_config: c.http_config.clone(),
                options: HttpOptions::default(),
            },
        )
    });
    Ok(LiveOptions {
        environment: context.environment.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        secrets: settings.secrets.clone(),
        redact: settings.redact.clone(),
        connections: connections.collect(),
        alertmanager: settings.cluster().or_end(Exit::Usage)?,
        prometheus: settings.prometheus().or_end(Exit::Usage)?,
        traces: settings.telemetry.collector.as_ref().is_some_and(|collector| collector.propagate),
        ..LiveOptions::default()
    })
}

/// Shows one piece of news; what it says of tasks is also for the one who asks.
async fn see(news: News, show: &mut Show<'_>, asker: &mut Option<Asker>) {
    let Some(asker) = asker else { return show.see(news) };
    match &news {
        News::Asks(run, step) => {
            show.hide_bars(true);
            asker.opened(show.ui(), &run.run, step).await;
        }
        News::Settled(run, step) => asker.settled(show.ui(), &run.run, step).await,
        _ => {}
    }
    show.hide_bars(asker.is_asking());
    let speaks = matches!(news, News::Said(..) | News::Ended(..) | News::Notice(_));
    show.see(news);
    if speaks && asker.is_asking() {
        // What was said stands where the question was.
        show.ui().say_even_if_quiet("\n");
        asker.prompt(show.ui());
    }
}

/// Waits for a line that somebody types; for ever where nobody is asked.
async fn typed(asker: &mut Option<Asker>) -> Option<String> {
    match asker {
        Some(asker) => asker.line().await,
        None => std::future::pending().await,
    }
}

async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    let got = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if got.is_none() {
        std::future::pending::<()>().await;
    }
}
