//! `amflow demo`: the whole story on a bare machine: a stand-in for Alertmanager on loopback, an alert, a
//! playbook that really mends something harmless, the mute, the verification, the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::run::RunArgs;
use super::runs::{RunsArgs, RunsCommand, ShowArgs};
use crate::cli::args::{AlertmanagerArgs, GlobalArgs, PlaybookArgs, RunningArgs, SourceArgs, StoreArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit, OrExit as _};
use crate::cli::ui::Ui;
use crate::cli::workbench;
use crate::client::{BaseUrl, StandIn, StandInOptions};
use crate::model::{LabelSet, PostableAlert};
use crate::run::RunStatus;

const EXAMPLES: &str = "\
Examples:
  amflow demo           an alert fires, is worked on, is proved to be gone
  amflow demo --keep    the same; its playbook and store stay to be looked at

Needs nothing, changes nothing but a directory of its own, and takes about ten
seconds.";

/// The arguments of `amflow demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Keep the demo's directory, to look further
    #[arg(long)]
    pub keep: bool,
}

const PLAYBOOK: &str = include_str!("demo/spool.yaml");
const CONFIG: &str = "# The demo's configuration.\nauthor: demo\n";
/// The "crash dump": 2 MiB.
const DUMP: usize = 2 << 20;

/// Tells the story.
pub(super) fn run(args: &DemoArgs, context: &Context) -> Result<Exit, CliError> {
    let place = Place::make(context)?;
    let (stop, stopped) = channel();
    let (tell, told) = channel();
    let spool = place.root.join("spool");
    let world = thread::spawn(move || world(&spool, &tell, &stopped));
    let url = told.recv().or_exit(Exit::Unable, || "the stand-in for Alertmanager did not start")?;
    let url = url.map_err(|why| CliError::unable(format_args!("no stand-in for Alertmanager: {why}")))?;
    let result = story(&place, &url, context);
    // The world ends when nobody listens to it.
    drop(stop);
    let _ = world.join();
    if args.keep {
        context.ui.say(format_args!("kept: {}", place.root.display()));
    } else {
        place.remove();
    }
    result
}

fn story(place: &Place, url: &BaseUrl, context: &Context) -> Result<Exit, CliError> {
    let say = |text: &str| context.ui.say(text);
    say("1. A stand-in for Alertmanager listens on loopback; something has filled a spool directory,");
    context.ui.say(format_args!("   and the alert SpoolFull fires: {}", place.root.join("spool").display()));
    say("2. `amflow run --poll` finds the playbook, mutes the alert, looks, cleans, and verifies:");
    let global = GlobalArgs { config: Some(place.root.join("amflow.yaml")), ..context.global.clone() };
    let inner = Context::new(Ui::new(&context.environment, &global), context.environment.clone(), global);
    let store = StoreArgs { store: Some(place.root.join("store")) };
    let again = || RunArgs {
        playbooks: PlaybookArgs { playbooks: vec![place.root.join("playbooks")] },
        source: SourceArgs {
            poll: true,
            alertmanager: AlertmanagerArgs { urls: vec![url.clone()], ..AlertmanagerArgs::default() },
            ..SourceArgs::default()
        },
        store: store.clone(),
        running: RunningArgs::default(),
        output: crate::cli::args::OutputArgs::default(),
    };
    let exit = super::run::run(&again(), &inner)?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let opened = workbench::open_store(&inner, &store, crate::store::Access::Read)?;
    let runs = context.block_on(opened.list(crate::engine::RunFilter::default()))?.or_end(Exit::Unable)?;
    let Some(run) = runs.first().filter(|run| run.status == RunStatus::Succeeded) else {
        return Err(CliError::new(Exit::Failed, "the demo's run did not succeed"));
    };
    say("3. The dump is gone, and the alert with it. The run's whole story, from the journal:");
    let show = ShowArgs {
        run: run.header.run.clone(),
        follow: false,
        output: crate::cli::args::OutputArgs::default(),
        store: store.clone(),
    };
    super::runs::run(&RunsArgs { command: RunsCommand::Show(show) }, &inner)?;
    say("4. Started again, it finds nothing to do: nothing fires any more.");
    super::run::run(&again(), &inner)
}

/// The demo's directory.
struct Place {
    root: PathBuf,
}

impl Place {
    fn make(context: &Context) -> Result<Place, CliError> {
        let base = context.environment.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
        let root = base.join(format!("amflow-demo-{}", std::process::id()));
        let made = || -> std::io::Result<()> {
            fs::create_dir(&root)?;
            fs::create_dir(root.join("spool"))?;
            fs::create_dir(root.join("playbooks"))?;
            fs::write(root.join("spool/core.dump"), vec![0; DUMP])?;
            fs::write(root.join("playbooks/spool.yaml"), PLAYBOOK)?;
            fs::write(root.join("amflow.yaml"), CONFIG)
        };
        made().or_exit(Exit::Unable, || format!("cannot make {}", root.display()))?;
        Ok(Place { root })
    }

    fn remove(&self) {
        // What cannot be removed lies in the temporary directory, which the system tidies.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Plays Alertmanager, and Prometheus, which looks at the directory and says what it sees.
fn world(spool: &Path, tell: &Sender<Result<BaseUrl, String>>, stopped: &std::sync::mpsc::Receiver<()>) {
    let start = || -> std::io::Result<(tokio::runtime::Runtime, StandIn)> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        // An Alertmanager that has just started may have forgotten alerts, and proves nothing.
        let first = AtomicBool::new(true);
        let clock = workbench::clock();
        let now = move || {
            let now = clock.now();
            let hour = Duration::from_secs(3_600);
            if first.swap(false, Ordering::Relaxed) { now.checked_sub(hour).unwrap_or(now) } else { now }
        };
        let entered = runtime.enter();
        let standin = StandIn::start(listener, Arc::new(now), StandInOptions::default())?;
        drop(entered);
        Ok((runtime, standin))
    };
    let (_runtime, standin) = match start() {
        Ok(started) => started,
        Err(error) => {
            let _ = tell.send(Err(error.to_string()));
            return;
        }
    };
    let labels = LabelSet::from([
        ("alertname", "SpoolFull"),
        ("instance", "demo:9100"),
        ("severity", "warning"),
        ("directory", &spool.display().to_string()),
    ]);
    let since = workbench::clock().now();
    let mut url = Some(standin.url());
    loop {
        if spool.join("core.dump").exists() {
            // A refused alert would be a defect of the stand-in, which its own tests would show.
            let _ = standin.put(&alert(&labels, since));
        } else {
            standin.resolve(&labels);
        }
        if let Some(url) = url.take() {
            let parsed = url.parse::<BaseUrl>().map_err(|error| error.to_string());
            if tell.send(parsed).is_err() {
                return;
            }
        }
        match stopped.recv_timeout(Duration::from_millis(200)) {
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

fn alert(labels: &LabelSet, since: Timestamp) -> PostableAlert {
    let now = workbench::clock().now();
    PostableAlert {
        labels: labels.clone(),
        annotations: [("summary".to_owned(), "A crash dump fills the spool directory".to_owned())].into(),
        starts_at: since,
        ends_at: now.checked_add(Duration::from_secs(60)).unwrap_or(now),
        generator_url: String::new(),
    }
}
