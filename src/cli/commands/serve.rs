//! `amflow serve`: the engine, always on: takes webhooks, polls beside them, drains when it is told to end.

mod pauses;
mod poller;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::poller::Poller;
use super::run::lacking;
use crate::cli::args::{AlertmanagerArgs, PlaybookArgs, RunningArgs, StoreArgs, at_least_one};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::log::{Level, Log, LogFormat, LogReporter};
use crate::cli::telemetry::Telemetry;
use crate::cli::{playbooks, reading, workbench};
use crate::config::{ServerSettings, Settings, prefix_of, url_of};
use crate::engine::{
    Clock, Engine, EngineOptions, HeldBack, Lack, Parts, Reporter, Service, ServiceOptions, Stop, Stopper,
};
use crate::model::{format_duration, parse_duration};
use crate::perform::{Live, Notify, Secrets, life_of, owner};
use crate::playbook::{Library, Playbook};
use crate::server::{App, Auth, InForce, Links, Metered, Metrics, ReloadAsk, Server, Tls};
use crate::store::Access;
use crate::text::plural;

const EXAMPLES: &str = "\
Examples:
  amflow serve                          on 127.0.0.1:9096, polls once a minute
  amflow serve --poll-interval 30s      polls more often
  amflow serve --log-format json        logs for programs
  amflow serve --web.listen-address 127.0.0.1:9000

In Alertmanager's configuration:
  receivers:
    - name: amflow
      webhook_configs:
        - url: http://127.0.0.1:9096/webhook

Signals:
  SIGHUP           reads configuration and playbooks again, all or nothing
  SIGTERM, SIGINT  takes nothing more, ends running steps, and leaves the rest
                   to the next start; a second one stops at once";

/// How often files of playbooks are looked at for changes.
const WATCH: Duration = Duration::from_secs(5);

/// The file beside the store with the key that signs links to tasks.
const LINK_KEY: &str = "links.key";

/// The arguments of `amflow serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Where playbooks are.
    #[command(flatten)]
    pub playbooks: PlaybookArgs,
    /// Where Alertmanager is.
    #[command(flatten)]
    pub alertmanager: AlertmanagerArgs,
    /// Where the store is.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address with port to listen on; may be repeated [default: the configuration's, 127.0.0.1:9096]
    #[arg(long = "web.listen-address", id = "listen", value_name = "ADDRESS", value_parser = address, help_heading = "Server")]
    pub listen: Vec<SocketAddr>,
    /// Path before all others, such as /amflow [default: the configuration's, /]
    #[arg(long = "web.route-prefix", id = "route_prefix", value_name = "PATH", value_hint = ValueHint::Other, help_heading = "Server")]
    pub route_prefix: Option<String>,
    /// Address that people reach it by, for links to tasks [default: the configuration's]
    #[arg(long = "web.external-url", id = "external_url", value_name = "URL", value_hint = ValueHint::Url, help_heading = "Server")]
    pub external_url: Option<String>,
    /// How often Alertmanager is polled beside what it sends, or none [default: the configuration's, 1m]
    #[arg(long, value_name = "DURATION", help_heading = "Server")]
    pub poll_interval: Option<String>,
    /// How long running steps may take to end after SIGTERM [default: the configuration's, 25s]
    #[arg(long, value_name = "DURATION", help_heading = "Server")]
    pub drain_timeout: Option<String>,
    /// Form of log lines on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Server")]
    pub log_format: LogFormat,
    /// Runs worked on at the same time [default: the configuration's, 4]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Running")]
    pub parallel: Option<std::num::NonZeroUsize>,
}

/// Listens until it is told to end.
pub(super) fn run(args: &ServeArgs, context: &Context) -> Result<Exit, CliError> {
    if args.log_format == LogFormat::Json {
        context.ui.talk_in_json(|| workbench::clock().now());
    }
    let (metrics, clock) = (Arc::new(Metrics::default()), workbench::clock());
    let loaded = Loaded::read(args, context, &metrics)?;
    let store = workbench::open_watched(context, &loaded.settings, Access::Write, Some(metrics.clone()))?;
    let (reporter, mut lines) = LogReporter::new(clock.clone(), metrics.clone());
    let reporter = Arc::new(reporter);
    let told = reporter.clone();
    let tell = Arc::new(move |text: &str| told.notice(text));
    let telemetry = Telemetry::start(context, &loaded.settings.telemetry, tell)?;
    metrics.watch(telemetry.exporter());
    loaded.settings.telemetry.notices.iter().for_each(|notice| reporter.notice(notice));
    let (stopper, stop) = Stop::new();
    let engine = Engine::new(Parts {
        store,
        performer: loaded.performer(context, &metrics)?,
        clock: clock.clone(),
        reporter: telemetry.beside(reporter),
        owner: owner(),
        compile: workbench::compile(&loaded.settings),
        life_of: Arc::new(life_of),
        options: loaded.engine_options(),
        stop: stop.clone(),
    });
    let options = ServiceOptions { queue: loaded.server.queue, ..ServiceOptions::default() };
    let (service, work) = Service::new(engine, loaded.library.clone(), options);
    let (ask, asks) = mpsc::channel(1);
    let in_force = loaded.in_force(context)?;
    let app = App::new(
        loaded.server.options.clone(),
        service.clone(),
        clock.clone(),
        metrics.clone(),
        in_force,
        ask,
    );
    metrics.reloaded(true, clock.now());
    let environment = &context.environment;
    let notify = Notify::of(environment.get("NOTIFY_SOCKET"), environment.text("WATCHDOG_USEC"));
    let traces = telemetry.clone();
    let serving = Serving {
        args,
        context,
        clock,
        metrics,
        service,
        app,
        stopper,
        notify,
        telemetry,
        loaded,
        refused: None,
    };
    context.block_on(async {
        let mut log = Log::new(&context.ui, args.log_format);
        let exit = serving.serve(tokio::spawn(work.drive()), asks, &mut lines, &mut log).await;
        traces.flush(&stop).await;
        while let Ok(line) = lines.try_recv() {
            log.write(&line);
        }
        exit
    })?
}

/// What was read of files and flags.
struct Loaded {
    settings: Settings,
    server: ServerSettings,
    library: Arc<Library>,
}

impl Loaded {
    fn read(args: &ServeArgs, context: &Context, metrics: &Arc<Metrics>) -> Result<Loaded, CliError> {
        let running = RunningArgs { parallel: args.parallel, no_wait: false, metrics_file: None };
        let mut settings = reading::settings(
            context,
            &args.alertmanager,
            Some(&args.playbooks),
            Some(&args.store),
            Some(&running),
        )?;
        if let Some(alertmanager) = &mut settings.alertmanager {
            alertmanager.options.watch = Some(metrics.clone());
        }
        let mut server = settings.server.clone();
        if !args.listen.is_empty() {
            server.options.listen.clone_from(&args.listen);
        }
        if let Some(text) = &args.route_prefix {
            server.options.prefix = prefix_of(text).ok_or_else(|| {
                CliError::usage(format_args!("`{text}` is not a path")).hint("write it as /amflow")
            })?;
        }
        if let Some(text) = &args.external_url {
            let url = url_of(text).ok_or_else(|| {
                CliError::usage(format_args!("`{text}` is not an address that a browser opens"))
                    .hint("write it as https://ops.example.com/amflow")
            })?;
            server.options.external_url = Some(url);
        }
        match args.poll_interval.as_deref() {
            None => {}
            Some("none") => server.poll_interval = None,
            Some(text) => server.poll_interval = Some(duration("--poll-interval", text)?),
        }
        if let Some(text) = &args.drain_timeout {
            server.drain_timeout = duration("--drain-timeout", text)?;
        }
        let open = server.credentials.is_empty() && !server.options.asks_for_certificates();
        if let Some(address) = server.options.reachable().filter(|_| open) {
            let what = format!("{address} can be reached by others, and everybody would be let in");
            let hint = "add `server.auth`, or `server.tls` with `client_ca_file`, to the configuration, or listen on 127.0.0.1";
            return Err(CliError::usage(what).hint(hint));
        }
        let library = Arc::new(reading::library(&settings)?);
        Ok(Loaded { settings, server, library })
    }

    fn performer(&self, context: &Context, metrics: &Arc<Metrics>) -> Result<Arc<Metered>, CliError> {
        let live = Live::new(workbench::live_options(context, &self.settings)?);
        Ok(Arc::new(Metered::new(Arc::new(live), metrics.clone())))
    }

    fn engine_options(&self) -> EngineOptions {
        EngineOptions { always_on: true, ..self.settings.engine_options() }
    }

    /// Reads what the server needs beside its options: secrets, certificates.
    fn in_force(&self, context: &Context) -> Result<InForce, CliError> {
        let secrets = Secrets::new(self.server.secrets.clone(), [], context.environment.for_performer());
        let auth = Auth::new(self.server.credentials.clone(), secrets);
        auth.check().or_exit(Exit::Usage, || "a credential of `server.auth` cannot be had".to_owned())?;
        let now = workbench::clock().now();
        let tls = self.server.options.tls.as_ref().map(|files| Tls::read(files, now)).transpose();
        let tls = tls.or_exit(Exit::Usage, || "the server cannot speak TLS".to_owned())?;
        let scopes = self.settings.scopes();
        let place = &self.settings.store.path;
        let links =
            Links::open(&if place.is_dir() { place.join(LINK_KEY) } else { place.with_extension("links") });
        let links = links.or_exit(Exit::Unable, || "links to tasks cannot be made".to_owned())?;
        let people = self.settings.people.clone();
        let scope_of = Box::new(move |origin| scopes.of(origin));
        Ok(InForce { auth, tls, scope_of, people, links: Some(links) })
    }
}

/// Reads an address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "it is not an address with a port: write it as 127.0.0.1:9096 or [::1]:9096".to_owned())
}

fn duration(flag: &str, text: &str) -> Result<Duration, CliError> {
    match parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err(CliError::usage(format_args!("{flag}: it must be more than no time"))),
        Err(error) => {
            let wrong = CliError::usage(format_args!("{flag}: {}", error.message));
            Err(match error.hint {
                Some(hint) => wrong.hint(hint),
                None => wrong,
            })
        }
    }
}

/// A service that goes on.
struct Serving<'c> {
    args: &'c ServeArgs,
    context: &'c Context,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    service: Service,
    app: Arc<App>,
    stopper: Stopper,
    notify: Notify,
    telemetry: Telemetry,
    loaded: Loaded,
    /// What was not put in force because a playbook would have been held back.
    refused: Option<(Engine, Arc<Library>)>,
}

impl Serving<'_> {
    async fn serve(
        mut self,
        mut work: JoinHandle<usize>,
        mut asks: mpsc::Receiver<ReloadAsk>,
        lines: &mut mpsc::UnboundedReceiver<crate::cli::log::LogLine>,
        log: &mut Log<'_>,
    ) -> Result<Exit, CliError> {
        let server = Server::bind(self.app.clone()).await.or_end(Exit::Unable)?;
        let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
        let stop_server = CancellationToken::new();
        let answering = tokio::spawn(server.run(stop_server.clone()));
        let mut poller = self.start_poller();
        let (tell, mut pauses) = mpsc::channel(16);
        let watching = tokio::spawn(pauses::watch(self.service.clone(), self.clock.clone(), tell));
        let playbooks = plural(self.loaded.library.playbooks().len(), "playbook");
        let scheme = if self.loaded.server.options.tls.is_some() { "https" } else { "http" };
        self.say(log, Level::Info, &format!("listens on {scheme}://{}, {playbooks}", addresses.join(", ")));
        self.look_at_needs(log, &mut poller);
        self.notify.tell("READY=1");
        let mut files = playbooks::stamp(&self.loaded.settings);
        // By the steady clock: a service manager does not wait because the wall clock is set back.
        let (mut next_watch, mut next_beat) = (self.after(WATCH), self.beat());
        let (mut interrupt, mut terminate) =
            (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
        let mut hangup = catch(SignalKind::hangup())?;
        let mut deadline: Option<Duration> = None;
        let clock = self.clock.clone();
        let left = loop {
            let wake =
                [Some(next_watch), next_beat, deadline].into_iter().flatten().min().unwrap_or(next_watch);
            let mut sleep = pin!(clock.sleep(wake.saturating_sub(clock.steady())));
            tokio::select! {
                left = &mut work => break left,
                Some(line) = lines.recv() => { log.write(&line); continue; }
                Some(told) = pauses.recv() => { self.say(log, Level::Warn, &told); continue; }
                _ = interrupt.recv() => { self.end(&mut deadline, "SIGINT", log); continue; }
                _ = terminate.recv() => { self.end(&mut deadline, "SIGTERM", log); continue; }
                _ = hangup.recv() => {
                    let _ = self.reload(log, &mut poller, "SIGHUP");
                    files = playbooks::stamp(&self.loaded.settings);
                    continue;
                }
                Some(ask) = asks.recv() => {
                    // Who asked may have gone.
                    let _ = ask.send(self.reload(log, &mut poller, "POST /-/reload"));
                    files = playbooks::stamp(&self.loaded.settings);
                    continue;
                }
                () = &mut sleep => {}
            }
            let now = self.clock.steady();
            if deadline.is_some_and(|at| at <= now) {
                deadline = None;
                let told =
                    "the drain timeout is over: steps that still run are ended, and judged by the next start";
                self.say(log, Level::Warn, told);
                self.stopper.abandon("the drain timeout");
            }
            if next_beat.is_some_and(|at| at <= now) {
                self.notify.tell("WATCHDOG=1");
                next_beat = self.beat();
            }
            if next_watch <= now {
                next_watch = self.after(WATCH);
                let seen = playbooks::stamp(&self.loaded.settings);
                if seen != files && deadline.is_none() {
                    files = seen;
                    let _ = self.reload(log, &mut poller, "changed files");
                }
                self.look_at_needs(log, &mut poller);
            }
        };
        poller.abort();
        watching.abort();
        stop_server.cancel();
        let _ = answering.await;
        let left = left.unwrap_or(0);
        let rest = if left == 0 {
            String::new()
        } else {
            format!(", {} left for the next start", plural(left, "run"))
        };
        self.say(log, Level::Info, &format!("ended{rest}"));
        Ok(match self.service.engine().stopped_by() {
            Some(by) if by == "SIGINT" => Exit::Interrupted,
            Some(_) => Exit::Terminated,
            None => Exit::Done,
        })
    }

    fn say(&self, log: &Log<'_>, level: Level, text: &str) {
        log.say(self.clock.now(), level, text);
    }

    fn after(&self, delay: Duration) -> Duration {
        self.clock.steady().saturating_add(delay)
    }

    fn beat(&self) -> Option<Duration> {
        self.notify.watchdog.map(|every| self.after(every))
    }

    /// Begins to end; the second time at once.
    fn end(&self, deadline: &mut Option<Duration>, by: &str, log: &Log<'_>) {
        if self.service.state().draining {
            self.say(log, Level::Warn, &format!("{by} again: ends at once"));
            self.stopper.abandon(by);
            return;
        }
        let limit = self.loaded.server.drain_timeout;
        *deadline = Some(self.after(limit));
        let told = format!(
            "{by}: takes nothing more, {} to end within {}",
            plural(self.service.state().going, "run"),
            format_duration(limit)
        );
        self.say(log, Level::Info, &told);
        self.notify.tell("STOPPING=1");
        self.stopper.drain();
    }

    /// Reads everything again and puts it in force, or nothing of it.
    fn reload(&mut self, log: &Log<'_>, poller: &mut JoinHandle<()>, by: &str) -> Result<String, String> {
        self.notify.tell("RELOADING=1");
        let done = self.read_again();
        self.notify.tell("READY=1");
        self.metrics.reloaded(done.is_ok(), self.clock.now());
        match done {
            Ok(()) => {
                poller.abort();
                *poller = self.start_poller();
                let told = format!("reloaded: {}", plural(self.loaded.library.playbooks().len(), "playbook"));
                self.say(log, Level::Info, &format!("{by}: {told}"));
                self.look_at_needs(log, poller);
                Ok(told)
            }
            Err(error) => {
                let why = error.in_one_line();
                let told = format!("{by}: not reloaded, what was in force stays so: {why}");
                log.refused(self.clock.now(), &told, &error);
                Err(format!("{why}; nothing was changed"))
            }
        }
    }

    fn read_again(&mut self) -> Result<(), CliError> {
        self.refused = None;
        let loaded = Loaded::read(self.args, self.context, &self.metrics)?;
        if loaded.settings.store.path != self.loaded.settings.store.path
            || loaded.server.options.listen != self.loaded.server.options.listen
            || loaded.server.options.prefix != self.loaded.server.options.prefix
            || loaded.server.options.tls.is_some() != self.loaded.server.options.tls.is_some()
        {
            return Err(CliError::usage(
                "the store, the addresses, the prefix or whether TLS is spoken has changed",
            )
            .hint("these need a restart"));
        }
        let in_force = loaded.in_force(self.context)?;
        let performer = loaded.performer(self.context, &self.metrics)?;
        let present = self.service.engine();
        let engine = present.with(performer, workbench::compile(&loaded.settings), loaded.engine_options());
        let held = newly_held_back((&engine, &loaded.library), (&present, &self.loaded.library));
        if !held.is_empty() {
            self.refused = Some((engine, loaded.library));
            return Err(lacking(&held).hint("it is put in force as soon as that is there"));
        }
        self.service.swap(engine, loaded.library.clone());
        self.app.swap(in_force);
        self.telemetry.aim(&loaded.settings.telemetry);
        loaded.settings.telemetry.notices.iter().for_each(|notice| self.service.engine().notice(notice));
        self.loaded = loaded;
        Ok(())
    }

    /// Looks whether playbooks can have what they need, and says what has changed.
    fn look_at_needs(&mut self, log: &Log<'_>, poller: &mut JoinHandle<()>) {
        for (playbook, lacks) in self.service.look_at_needs() {
            match lacks {
                Some(why) => {
                    let told = format!("playbook `{playbook}` is held back, its alerts are put off: {why}");
                    self.say(log, Level::Warn, &told);
                }
                None => self.say(log, Level::Info, &format!("playbook `{playbook}` has what it needs again")),
            }
        }
        let mended = self.refused.as_ref().is_some_and(|(engine, library)| {
            newly_held_back((engine, library), (&self.service.engine(), &self.loaded.library)).is_empty()
        });
        if mended {
            let _ = self.reload(log, poller, "what was missing is there");
        }
    }

    fn start_poller(&self) -> JoinHandle<()> {
        let cluster = self.loaded.settings.cluster().ok().flatten();
        let Some(cluster) = cluster else { return tokio::spawn(std::future::pending()) };
        let poller = Poller {
            service: self.service.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            cluster,
            filters: self.loaded.settings.filter.clone(),
            scope: self.loaded.settings.scope.as_str().to_owned(),
            judged: HashSet::new(),
        };
        tokio::spawn(poller.run(self.loaded.server.poll_interval))
    }
}

/// Returns what playbooks would lack that they do not lack at present.
fn newly_held_back(next: (&Engine, &Library), present: (&Engine, &Library)) -> Vec<HeldBack> {
    let before = present.0.held_back(present.1);
    let known = |playbook: &Playbook, lack: &Lack| {
        let same = before.iter().filter(|(other, _)| other.name == playbook.name);
        same.flat_map(|(_, lacks)| lacks).any(|other| other.needed.need == lack.needed.need)
    };
    let mut held = next.0.held_back(next.1);
    held.iter_mut().for_each(|(playbook, lacks)| lacks.retain(|lack| !known(playbook, lack)));
    held.retain(|(_, lacks)| !lacks.is_empty());
    held
}

fn catch(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).or_exit(Exit::Unable, || "cannot listen for signals".to_owned())
}
