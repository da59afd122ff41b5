//! The process group of a command, ended whole. Main type: [`ProcessGroup`].

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::proc::group_is_alive;

/// How long is waited for a group that was sent KILL: only a process that hangs in the kernel takes longer.
pub(super) const AFTER_KILL: Duration = Duration::from_secs(5);
/// How often is looked whether a group is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The group that a command leads. When it is dropped before its end, the group is killed.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    leader: Option<Pid>,
}

/// Whether a signal met anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A process of the group, which may have ended without being collected by its parent.
    Someone,
    /// The group is empty, or its processes are not ours to signal.
    NoOne,
}

impl ProcessGroup {
    /// Takes the group whose leader has this pid.
    pub(super) fn new(leader: u32) -> ProcessGroup {
        // 1 would mean every process of the host (kill(2): -1).
        let pid = i32::try_from(leader).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
        ProcessGroup { leader: pid }
    }

    /// Asks all processes of the group to end; those that are stopped go on, so that they can.
    pub(super) fn terminate(&self) -> Sent {
        let sent = self.send(Signal::TERM);
        if sent == Sent::Someone {
            self.send(Signal::CONT);
        }
        sent
    }

    /// Ends all processes of the group at once.
    pub(super) fn kill(&self) -> Sent {
        self.send(Signal::KILL)
    }

    /// Ends what the leader left behind in its group: TERM, after `grace` KILL. Returns when all are gone.
    ///
    /// Called when the leader has ended. While others of the group live its number cannot be given
    /// to a new process; when none do, the first signal finds nobody, and this costs one system call.
    pub(super) async fn end_rest(mut self, grace: Duration) {
        if self.terminate() == Sent::Someone && !self.gone_within(grace).await {
            self.kill();
            self.gone_within(AFTER_KILL).await;
        }
        self.leader = None;
    }

    /// Waits until no process of the group runs. Those that ended but are not collected don't count:
    /// in a container without an init nobody ever collects them.
    #[expect(clippy::disallowed_methods, reason = "the grace of a process needs no wall clock")]
    async fn gone_within(&self, limit: Duration) -> bool {
        let Some(leader) = self.leader else { return true };
        let gone = async {
            while group_is_alive(leader.as_raw_nonzero().get().unsigned_abs()) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(limit, gone).await.is_ok()
    }

    fn send(&self, signal: Signal) -> Sent {
        match self.leader.map(|leader| kill_process_group(leader, signal)) {
            None | Some(Err(Errno::SRCH | Errno::PERM)) => Sent::NoOne,
            Some(_) => Sent::Someone,
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
