//! Goes on with runs that another process left: parked ones that are due, orphans of a killed process.

use super::Engine;
use super::ports::{CLOCKS_DIFFER, Lease, RunHeader, StoreError, Take, Taken};
use crate::playbook::unreadable;
use crate::run::{Machine, Options, Run};

/// A run that this process goes on with.
pub struct Resumed {
    /// What it is.
    pub header: RunHeader,
    pub(super) lease: Lease,
    pub(super) machine: Machine,
    /// Whether its process was gone without having finished.
    pub orphaned: bool,
    /// Commands of it that were still running, and were ended first.
    pub survivors: Vec<String>,
}

impl Engine {
    /// Takes unfinished runs over, after ending the commands that they left behind.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn take(&self, which: Take, max: usize) -> Result<Vec<Resumed>, StoreError> {
        let taken =
            self.store.take(which, max, self.owner.clone(), self.life_of.clone(), self.clock.now()).await?;
        let orphans: Vec<_> = taken.iter().filter(|t| t.orphaned).map(|t| t.lease.run.clone()).collect();
        let survivors =
            if orphans.is_empty() { Vec::new() } else { self.performer.end_survivors(&orphans).await };
        let mut resumed = Vec::new();
        for run in taken {
            let of_run = format!("{}/", run.lease.run);
            let survivors = survivors.iter().filter(|mark| mark.starts_with(&of_run)).cloned().collect();
            let name = run.lease.run.clone();
            match self.resume(run, survivors) {
                Ok(run) => {
                    for mark in &run.survivors {
                        self.reporter.notice(&format!("ended a command that was left running: {mark}"));
                    }
                    resumed.push(run);
                }
                Err(why) => self.reporter.notice(&format!("run {name} cannot go on: {why}")),
            }
        }
        Ok(resumed)
    }

    fn resume(&self, taken: Taken, survivors: Vec<String>) -> Result<Resumed, String> {
        let run = Run::replay(&taken.lease.run, &taken.journal)
            .ok_or("its journal does not begin with RunStarted")?;
        let playbook = (self.compile)(&taken.text).or_else(|why| {
            // A newer version may refuse what an older one took. The run must end all the same.
            let text =
                unreadable(&taken.header.playbook, &taken.text, &why, |path| run.nodes.contains_key(path));
            (self.compile)(&text)
        })?;
        let waits_for_key = run.waits_for_key.is_some();
        let (now, last) = (self.clock.now(), run.updated_at);
        let mut machine = Machine::new(run, playbook, self.run_options(None));
        let ahead = last.duration_since(now);
        if ahead > CLOCKS_DIFFER {
            // The clock was set back while no process watched it: what was waited for is counted from here.
            machine.clock_was_set(-ahead, now);
        }
        if taken.orphaned {
            machine.take_over(&format!("process {}", self.owner.pid));
        }
        for signal in taken.signals {
            machine.signal(signal);
        }
        if waits_for_key && taken.granted {
            machine.grant_key();
        } else if !taken.granted {
            // Killed between its admission and its first event.
            machine.want_key();
        }
        self.reporter.resumed(&taken.header, &taken.journal, taken.orphaned);
        Ok(Resumed { header: taken.header, lease: taken.lease, machine, orphaned: taken.orphaned, survivors })
    }

    pub(super) fn run_options(&self, fresh_until: Option<jiff::Timestamp>) -> Options {
        Options {
            has_alertmanager: self.options.offered.alertmanager,
            fresh_until,
            author: self.options.author.clone(),
        }
    }
}
