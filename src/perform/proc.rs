//! What /proc says of processes. Main type: [`ProcessStat`].

use std::fs;

/// One line of `/proc/PID/stat`, as far as it matters here (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessStat {
    /// Process id.
    pub(super) pid: u32,
    /// One letter: `R`, `S`, `D`, `Z` ...
    pub(super) state: u8,
    /// The process group.
    pub(super) group: u32,
    /// Clock ticks after boot at which it started: with the pid, its identity.
    pub(super) start_time: u64,
}

impl ProcessStat {
    /// Reads the line of a process; `None` when there is no such process, or no /proc.
    pub(super) fn of(pid: u32) -> Option<ProcessStat> {
        ProcessStat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads the line of this process.
    pub(super) fn own() -> Option<ProcessStat> {
        ProcessStat::of(std::process::id())
    }

    /// Returns whether it runs; what ended and was not yet collected by its parent does not.
    pub(super) fn is_alive(self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    fn parse(line: &str) -> Option<ProcessStat> {
        let pid = line.split(' ').next()?.parse().ok()?;
        // The second field is the program's name, which may hold blanks and parentheses.
        let rest = &line[line.rfind(')')? + 1..];
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let group = fields.nth(1)?.parse().ok()?;
        let start_time = fields.nth(16)?.parse().ok()?;
        Some(ProcessStat { pid, state, group, start_time })
    }
}

/// Returns whether this process was started to ignore SIGHUP, as `nohup` does. False where there is no /proc.
pub fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A mask in hexadecimal: its lowest bit is signal 1.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Returns the ids of all processes that can be seen.
pub(super) fn process_ids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Returns whether a process of this group runs.
pub(super) fn group_is_alive(group: u32) -> bool {
    process_ids().filter_map(ProcessStat::of).any(|stat| stat.group == group && stat.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_program_is_called() {
        let line = "4242 (a) R (b) S 1 4200 4100 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 200\n";
        let read = ProcessStat::parse(line);
        assert_eq!(read, Some(ProcessStat { pid: 4242, state: b'S', group: 4200, start_time: 987_654 }));
        for broken in ["", "4242", "4242 (x", "4242 (x)", "4242 (x) S 1"] {
            assert_eq!(ProcessStat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn this_process_is_alive_and_so_is_its_group() {
        let own = ProcessStat::own().unwrap();
        assert!(own.pid == std::process::id() && own.is_alive() && own.start_time > 0);
        assert!(group_is_alive(own.group) && !group_is_alive(u32::MAX));
    }
}
