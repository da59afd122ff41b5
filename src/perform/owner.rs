//! Who this process is to others that share the store: [`owner`], [`life_of`]. And where it is: [`host_name`].

use std::fs;

use super::proc::ProcessStat;
use crate::engine::{Life, Owner};

/// Returns this process as the owner of leases.
///
/// The boot id is Linux's `/proc/sys/kernel/random/boot_id` and, since a pid means nothing in another
/// pid namespace either (containers that share a store), the namespace's number.
pub fn owner() -> Owner {
    let stat = ProcessStat::own();
    Owner { boot_id: boot_id(), pid: std::process::id(), start_time: stat.map_or(0, |stat| stat.start_time) }
}

/// Returns what is known of the life of an owner: something only when it was on this host, in this boot and this pid
/// namespace.
pub fn life_of(owner: &Owner) -> Life {
    if owner.boot_id.is_empty() || owner.boot_id != boot_id() {
        Life::Unknown
    } else if runs(owner.pid, owner.start_time) {
        Life::Lives
    } else {
        Life::Gone
    }
}

/// Returns whether that very process runs.
pub(super) fn runs(pid: u32, start_time: u64) -> bool {
    ProcessStat::of(pid).is_some_and(|stat| stat.start_time == start_time && stat.is_alive())
}

/// Returns the number of this process's pid namespace; empty when it is unknown.
pub(super) fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Returns the name of this host, as the kernel has it; empty when it is no text.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or_default().to_owned()
}

fn boot_id() -> String {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => format!("{}:{}", id.trim(), pid_namespace()),
        // Without it nothing may be said of any owner.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a process is needed that is gone")]
mod tests {
    use super::*;

    #[test]
    fn of_owners_of_this_host_alone_it_is_known_whether_they_live() {
        let own = owner();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = child.id();
        child.wait().unwrap();
        let cases = [
            ("this process", own.clone(), Life::Lives),
            ("its pid, used again", Owner { start_time: own.start_time + 1, ..own.clone() }, Life::Gone),
            ("one that ended", Owner { pid: ended, ..own.clone() }, Life::Gone),
            (
                "one of another host",
                Owner { boot_id: "other".to_owned(), pid: ended, ..own.clone() },
                Life::Unknown,
            ),
            ("one of unknown origin", Owner { boot_id: String::new(), pid: ended, ..own }, Life::Unknown),
        ];
        for (what, owner, expected) in cases {
            assert_eq!(life_of(&owner), expected, "{what}");
        }
    }
}
