//! Processes that attempts of a killed amflow left behind: [`end_survivors`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::time::{Instant, sleep};

use super::group::AFTER_KILL;
use super::proc::{ProcessStat, process_ids};

/// What a mark in an environment begins with.
const MARK: &[u8] = b"AMFLOW_ATTEMPT=";
/// How often is looked whether they are gone.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A process that carries the mark of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Survivor {
    stat: ProcessStat,
    mark: String,
}

/// Ends the processes of these runs, their groups whole: TERM, after `grace` KILL. Returns when they
/// are gone (or hang in the kernel), with the marks of those that were found.
///
/// They are known by `AMFLOW_ATTEMPT`, which commands pass on to what they start, so those that left
/// their group are found too. Of other users' processes only root can read it.
#[expect(clippy::disallowed_methods, reason = "the grace of a process needs no wall clock")]
pub(super) async fn end_survivors(runs: &[String], grace: Duration) -> Vec<String> {
    let mut marks = BTreeSet::new();
    // What was asked to end, so that it is asked once.
    let mut asked = BTreeSet::new();
    let begun = Instant::now();
    loop {
        let survivors = find(runs);
        if survivors.is_empty() || begun.elapsed() > grace + AFTER_KILL {
            return marks.into_iter().collect();
        }
        let kill = begun.elapsed() >= grace;
        for survivor in survivors {
            let process = (survivor.stat.pid, survivor.stat.start_time);
            if asked.insert(process) || kill {
                survivor.signal(if kill { Signal::KILL } else { Signal::TERM });
            }
            marks.insert(survivor.mark);
        }
        sleep(LOOK_AGAIN).await;
    }
}

impl Survivor {
    /// Sends a signal to its group, or to itself alone where the group is our own.
    fn signal(&self, signal: Signal) {
        let pid = |number: u32| i32::try_from(number).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
        let Some((process, group)) = pid(self.stat.pid).zip(pid(self.stat.group)) else { return };
        // The descriptor stays with the process; if that is still the one that was found, its pid cannot
        // be given to another one now, and its group is the one it was in.
        let Ok(descriptor) = pidfd_open(process, PidfdFlags::empty()) else { return };
        if ProcessStat::of(self.stat.pid).is_none_or(|now| now.start_time != self.stat.start_time) {
            return;
        }
        let own_group = ProcessStat::own().is_some_and(|own| own.group == self.stat.group);
        for signal in [signal, Signal::CONT] {
            // An error means that it is gone, or became another user's.
            let _ = pidfd_send_signal(&descriptor, signal);
            if !own_group {
                let _ = kill_process_group(group, signal);
            }
        }
    }
}

/// Finds the processes of these runs, without this one.
fn find(runs: &[String]) -> Vec<Survivor> {
    let own = geteuid();
    let mut found = BTreeMap::new();
    for pid in process_ids().filter(|pid| *pid != std::process::id()) {
        let directory = format!("/proc/{pid}");
        if !own.is_root() && !fs::metadata(&directory).is_ok_and(|metadata| metadata.uid() == own.as_raw()) {
            continue;
        }
        // What ended has no environment any more.
        let Ok(environment) = fs::read(format!("{directory}/environ")) else { continue };
        let Some(mark) = mark_of(&environment, runs) else { continue };
        if let Some(stat) = ProcessStat::of(pid).filter(|stat| stat.is_alive()) {
            found.insert(pid, Survivor { stat, mark });
        }
    }
    found.into_values().collect()
}

/// Returns the mark in an environment when it is one of these runs'.
fn mark_of(environment: &[u8], runs: &[String]) -> Option<String> {
    let mark = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(MARK))?;
    let mark = String::from_utf8_lossy(mark);
    let (run, _) = mark.split_once('/')?;
    runs.iter().any(|wanted| wanted == run).then(|| mark.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_belongs_to_its_run_only() {
        let runs = ["r1".to_owned(), "r2".to_owned()];
        for (environment, expected) in [
            ("PATH=/bin\0AMFLOW_ATTEMPT=r1/a/b#2\0X=y\0", Some("r1/a/b#2")),
            ("AMFLOW_ATTEMPT=r10/a#1\0", None),
            ("NOT_AMFLOW_ATTEMPT=r1/a#1\0", None),
            ("X=AMFLOW_ATTEMPT=r1/a#1\0", None),
            ("AMFLOW_ATTEMPT=r1\0", None),
            ("", None),
        ] {
            assert_eq!(mark_of(environment.as_bytes(), &runs).as_deref(), expected, "{environment:?}");
        }
    }
}
