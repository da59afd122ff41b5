//! What every command is handed. Main type: [`Context`].

use std::cell::OnceCell;
use std::future::Future;

use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::args::GlobalArgs;
use super::error::{CliError, Exit, OrExit as _};
use super::ui::Ui;
use crate::config::Environment;

/// What every command is handed: the printer, the environment, the global flags, a runtime when it is needed.
#[derive(Debug)]
pub struct Context {
    /// The printer.
    pub ui: Ui,
    /// The environment.
    pub environment: Environment,
    /// The flags for all commands.
    pub global: GlobalArgs,
    runtime: OnceCell<Runtime>,
}

impl Context {
    /// Makes a context.
    pub fn new(ui: Ui, environment: Environment, global: GlobalArgs) -> Self {
        Self { ui, environment, global, runtime: OnceCell::new() }
    }

    /// Waits for a future, on this thread. Commands that do not need this start no runtime.
    ///
    /// # Errors
    /// The system gives no resources for a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, CliError> {
        Ok(self.runtime()?.block_on(future))
    }

    /// Lets a file that may not grow be an error of whoever writes it. Otherwise the system ends a process that
    /// comes to a limit on the size of files, by SIGXFSZ. Commands that are started get its usual meaning back.
    ///
    /// # Errors
    /// The system gives no resources for a runtime.
    pub fn survive_full_files(&self) -> Result<(), CliError> {
        let _within = self.runtime()?.enter();
        // Once it is caught it stays so; there is nobody to be told.
        signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))
            .map(drop)
            .or_exit(Exit::Unable, || "cannot listen for signals")
    }

    /// Begins something that goes on by itself while others are waited for, until the command ends.
    ///
    /// # Errors
    /// The system gives no resources for a runtime.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<(), CliError> {
        self.runtime()?.spawn(future);
        Ok(())
    }

    fn runtime(&self) -> Result<&Runtime, CliError> {
        if self.runtime.get().is_none() {
            // One starts commands while the other reads what they say: the driver of a run is never kept waiting.
            let made = Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let made = made.or_exit(Exit::Unable, || "cannot start the runtime")?;
            // Nobody else sets it: a context stays on its thread.
            let _ = self.runtime.set(made);
        }
        Ok(self.runtime.get().expect("it was set above"))
    }
}
