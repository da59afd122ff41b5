//! [`Wrapper`]: programs that run another one, which they are given as arguments.
//!
//! Their options are read one by one. Behind one that is not in the table nobody knows where the command begins,
//! and no value is given to it.

use super::builtins::assigned_name;
use super::commands::{command, refuse_option};
use super::interpreters::{code, read_again};
use super::known::hides_options;
use super::lexer::Lexer;
use super::programs::{Language, program_named};
use super::units::Word;

/// A program that runs another one, and its options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapper {
    names: &'static [&'static str],
    /// Letters without a value.
    flags: &'static str,
    /// Letters with a value: in the same word or in the next.
    valued: &'static str,
    /// Letters with a value in the same word, or none.
    optional: &'static str,
    /// Long options without a value.
    long_flags: &'static [&'static str],
    /// Long options with a value.
    long_valued: &'static [&'static str],
    /// Operands before the program.
    operands: usize,
}

/// A wrapper: its names, its letters (without a value, with one, with one in the same word or none), its operands.
const fn wrapper(
    names: &'static [&'static str],
    letters: (&'static str, &'static str, &'static str),
    long: (&'static [&'static str], &'static [&'static str]),
    operands: usize,
) -> Wrapper {
    Wrapper {
        names,
        flags: letters.0,
        valued: letters.1,
        optional: letters.2,
        long_flags: long.0,
        long_valued: long.1,
        operands,
    }
}

const NONE: (&[&str], &[&str]) = (&[], &[]);

#[rustfmt::skip]
static WRAPPERS: &[Wrapper] = &[
    wrapper(&["exec"], ("cl", "a", ""), NONE, 0),
    wrapper(&["command"], ("p", "", ""), NONE, 0),
    wrapper(&["builtin", "nohup", "catchsegv", "busybox", "toybox", "eatmydata", "torify", "torsocks", "ifne", "pkexec", "dumb-init", "tini", "aa-exec", "rlwrap", "proxychains", "caffeinate", "dbus-run-session", "firejail", "bwrap", "proot", "runcon", "perf", "numactl", "schroot", "systemd-nspawn", "valgrind", "openvt", "daemonize", "linux32", "linux64", "i386", "i686", "x86_64", "uname26"], ("", "", ""), NONE, 0),
    wrapper(&["setarch"], ("BFILRSTXZ3v", "", ""), NONE, 1),
    wrapper(&["cpulimit"], ("bfqrvz", "ceplmP", ""), (&["foreground", "background", "quiet", "verbose"], &["limit", "pid", "exe", "path"]), 0),
    wrapper(&["fakeroot"], ("hvu", "lfisb", ""), (&["unknown-is-real"], &["lib", "faked"]), 0),
    wrapper(&["setsid"], ("cfw", "", ""), (&["ctty", "fork", "wait"], &[]), 0),
    wrapper(&["sudo"], ("ABbEeHiKklNnPSsVv", "CDghpRrtTUu", ""), (
        &["askpass", "background", "bell", "edit", "list", "login", "no-update", "non-interactive", "preserve-env", "preserve-groups", "remove-timestamp", "reset-timestamp", "set-home", "shell", "stdin", "validate"],
        &["chdir", "chroot", "close-from", "command-timeout", "group", "host", "other-user", "prompt", "role", "type", "user"],
    ), 0),
    wrapper(&["doas"], ("Lns", "Cu", ""), NONE, 0),
    wrapper(&["env"], ("0iv", "aCuS", ""), (
        &["block-signal", "debug", "default-signal", "ignore-environment", "ignore-signal", "list-signal-handling", "null"],
        &["argv0", "chdir", "split-string", "unset"],
    ), 0),
    wrapper(&["timeout", "gtimeout"], ("fpv", "ks", ""), (&["foreground", "preserve-status", "verbose"], &["kill-after", "signal"]), 1),
    wrapper(&["time", "gtime"], ("apqv", "fo", ""), (&["append", "portability", "quiet", "verbose"], &["format", "output"]), 0),
    wrapper(&["nice"], ("0123456789-", "n", ""), (&[], &["adjustment"]), 0),
    wrapper(&["ionice"], ("t", "cnPpu", ""), (&["ignore"], &["class", "classdata", "pgid", "pid", "uid"]), 0),
    wrapper(&["stdbuf"], ("", "eio", ""), (&[], &["error", "input", "output"]), 0),
    wrapper(&["flock"], ("eFnosuvx", "cEw", ""), (
        &["close", "exclusive", "nb", "no-fork", "nonblock", "nonblocking", "shared", "unlock", "verbose"],
        &["command", "conflict-exit-code", "timeout", "wait"],
    ), 1),
    wrapper(&["chroot"], ("", "guG", ""), (&["skip-chdir"], &["groups", "userspec"]), 1),
    wrapper(&["taskset"], ("acp", "", ""), (&["all-tasks", "cpu-list", "pid"], &[]), 1),
    wrapper(&["chrt"], ("abdfimoRrv", "DPpT", ""), (
        &["all-tasks", "batch", "deadline", "fifo", "idle", "max", "other", "reset-on-fork", "rr", "verbose"],
        &["pid", "sched-deadline", "sched-period", "sched-runtime"],
    ), 1),
    wrapper(&["strace", "ltrace"], ("CcDdFfhiknqrTtVvwxYyZz", "AabEeIloOPpSsuUXn", ""), NONE, 0),
    wrapper(&["sshpass"], ("ehvV", "dfPp", ""), NONE, 0),
    wrapper(&["nsenter"], ("aceFZ", "GStW", "CimnprTUuw"), (
        &["all", "cgroup", "env", "follow-context", "ipc", "keep-caps", "mount", "net", "no-fork", "pid", "preserve-credentials", "root", "time", "user", "uts", "wd"],
        &["setgid", "setuid", "target", "wdns"],
    ), 0),
    wrapper(&["unshare"], ("cfr", "GRSw", "CimnpTUu"), (
        &["cgroup", "fork", "ipc", "keep-caps", "kill-child", "map-auto", "map-current-user", "map-root-user", "mount", "mount-proc", "net", "pid", "time", "user", "uts"],
        &["boottime", "map-group", "map-groups", "map-user", "map-users", "monotonic", "propagation", "root", "setgid", "setgroups", "setuid", "wd"],
    ), 0),
    wrapper(&["systemd-run"], ("CdGPqrSTtv", "EHMpu", ""), (
        &["collect", "expand-environment", "ignore-failure", "no-ask-password", "no-block", "pipe", "pty", "quiet", "remain-after-exit", "same-dir", "scope", "send-sighup", "shell", "slice-inherit", "system", "user", "verbose", "wait"],
        &["background", "description", "gid", "host", "machine", "nice", "on-active", "on-boot", "on-calendar", "on-startup", "on-unit-active", "on-unit-inactive", "path-property", "property", "service-type", "setenv", "slice", "socket-property", "timer-property", "uid", "unit", "working-directory"],
    ), 0),
    wrapper(&["systemd-inhibit"], ("", "", ""), (&["list", "no-ask-password", "no-legend", "no-pager"], &["mode", "what", "who", "why"]), 0),
    wrapper(&["setpriv"], ("d", "", ""), (
        &["clear-groups", "dump", "init-groups", "keep-groups", "nnp", "no-new-privs", "reset-env"],
        &["ambient-caps", "apparmor-profile", "bounding-set", "egid", "euid", "groups", "inh-caps", "pdeathsig", "regid", "reuid", "rgid", "ruid", "securebits", "selinux-label"],
    ), 0),
    wrapper(&["prlimit"], ("", "op", "cdefilmnqrstuvxy"), (&["noheadings", "raw", "verbose"], &["output", "pid"]), 0),
    wrapper(&["cgexec"], ("r", "g", ""), (&["sticky"], &[]), 0),
    wrapper(&["chpst"], ("012Pv", "/bcdefLlmnoprtUu", ""), NONE, 0),
    wrapper(&["softlimit"], ("", "acdflmoprst", ""), NONE, 0),
    wrapper(&["gosu", "s6-setuidgid", "setuidgid", "su-exec"], ("", "", ""), NONE, 1),
    wrapper(&["faketime"], ("fm", "p", ""), NONE, 1),
    wrapper(&["chronic", "cronic", "unbuffer"], ("epv", "", ""), NONE, 0),
    wrapper(&["xvfb-run"], ("al", "efnpsw", ""), (&["auto-display", "auto-servernum", "listen-tcp"], &["auth-file", "error-file", "server-args", "server-num", "wait", "xauth-protocol"]), 0),
    wrapper(&["xargs", "gxargs"], ("0oprtx", "adEIJLnPRSs", "eil"), (
        &["eof", "exit", "interactive", "max-lines", "no-run-if-empty", "null", "open-tty", "replace", "show-limits", "verbose"],
        &["arg-file", "delimiter", "max-args", "max-chars", "max-procs", "process-slot-var"],
    ), 0),
];

/// `docker exec` and `docker run`, which run what follows a container or an image.
const IN_CONTAINER: Wrapper = wrapper(
    &[],
    ("dikPqTt", "aceflhmnpuvw", ""),
    (
        &[
            "detach",
            "init",
            "interactive",
            "no-healthcheck",
            "no-TTY",
            "no-deps",
            "oom-kill-disable",
            "privileged",
            "publish-all",
            "quiet",
            "read-only",
            "rm",
            "sig-proxy",
            "stdin",
            "tty",
        ],
        &[
            "add-host",
            "as",
            "attach",
            "cap-add",
            "cap-drop",
            "cgroup-parent",
            "cluster",
            "container",
            "context",
            "cpus",
            "cpu-shares",
            "cwd",
            "detach-keys",
            "device",
            "dns",
            "env",
            "env-file",
            "filename",
            "gpus",
            "group",
            "hostname",
            "index",
            "ip",
            "kubeconfig",
            "label",
            "log-driver",
            "log-opt",
            "memory",
            "mode",
            "mount",
            "name",
            "namespace",
            "network",
            "pid",
            "platform",
            "pod-running-timeout",
            "publish",
            "pull",
            "restart",
            "runtime",
            "security-opt",
            "shm-size",
            "stop-signal",
            "stop-timeout",
            "tmpfs",
            "ulimit",
            "user",
            "userns",
            "volume",
            "volumes-from",
            "workdir",
        ],
    ),
    1,
);

/// `poetry run`, which runs what follows.
const AFTER_VERB: Wrapper = wrapper(&[], ("qv", "", ""), NONE, 0);

/// Programs that run others by one of their verbs, and where what they run stands behind it.
#[rustfmt::skip]
static BY_VERB: &[(&[&str], &[&str], Wrapper)] = &[
    (&["docker", "podman", "nerdctl", "crictl", "docker-compose", "podman-compose", "kubectl", "oc", "k3s", "microk8s", "lxc", "incus", "nomad", "distrobox"], &["exec", "run", "enter", "debug"], IN_CONTAINER),
    (&["ip"], &["exec"], wrapper(&[], ("", "", ""), NONE, 1)),
    (&["machinectl"], &["shell"], wrapper(&[], ("q", "EMH", ""), (&["quiet"], &["machine", "setenv", "uid", "user"]), 1)),
    (&["poetry", "pipenv", "uv", "pipx", "toolbox", "flatpak", "bundle", "conda", "mamba", "mise", "direnv", "chamber"], &["run", "exec"], AFTER_VERB),
];

/// Programs with so many ways to run others that every name of an interpreter in them is taken for one.
#[rustfmt::skip]
static MANIFOLD: &[&str] = &[
    "docker", "podman", "nerdctl", "crictl", "docker-compose", "podman-compose", "kubectl", "oc", "k3s", "microk8s", "lxc", "lxc-attach", "incus", "machinectl", "nomad",
    "vagrant", "multipass", "wsl", "git", "npx", "poetry", "pipenv", "pipx", "uv", "gcloud", "aws", "az", "flatpak", "distrobox", "toolbox", "start-stop-daemon", "ip", "su",
    "runuser", "sg",
];

/// Returns the wrapper of the table that a command names.
fn wrapper_named(name: &str) -> Option<&'static Wrapper> {
    // The loader runs the program that it is given.
    let name = if ["ld-linux", "ld-musl", "ld.so"].iter().any(|start| name.starts_with(start)) {
        "nohup"
    } else {
        name
    };
    WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&name))
}

/// Tells whether a program runs others.
pub(super) fn runs_others(command: &str) -> bool {
    let name = command.rsplit('/').next().unwrap_or_default();
    wrapper_named(name).is_some()
        || MANIFOLD.contains(&name)
        || BY_VERB.iter().any(|(programs, ..)| programs.contains(&name))
        || matches!(name, "find" | "fd" | "rsync" | "tar")
}

/// Where the command stands that a wrapper runs.
enum Place {
    At(usize),
    /// Nowhere: it was given none.
    Nowhere,
    /// Somewhere behind this.
    Behind(usize),
}

/// Judges the command that a program runs, and its options on the way.
pub(super) fn judge(lexer: &mut Lexer<'_>, name: &str, arguments: &[Word]) {
    if let Some(wrapper) = wrapper_named(name) {
        // `command -v name` runs nothing.
        let asks = name == "command"
            && arguments.iter().any(|word| {
                let start = word.literal_start();
                start.starts_with('-') && start.contains(['v', 'V'])
            });
        if !asks {
            wrapped(lexer, name, wrapper, arguments);
        }
        return;
    }
    for (_, verbs, wrapper) in BY_VERB.iter().filter(|(programs, ..)| programs.contains(&name)) {
        let Some(verb) = arguments.iter().position(|word| verbs.iter().any(|verb| word.is_plain(verb)))
        else {
            continue;
        };
        let rest = &arguments[verb + 1..];
        match rest.iter().position(|word| word.is_plain("--")) {
            Some(end) => {
                note_variables(lexer, &rest[..end]);
                command(lexer, &rest[end + 1..]);
            }
            None => wrapped(lexer, name, wrapper, rest),
        }
    }
    if MANIFOLD.contains(&name) {
        anywhere(lexer, arguments);
    }
}

fn wrapped(lexer: &mut Lexer<'_>, name: &str, wrapper: &Wrapper, arguments: &[Word]) {
    note_variables(lexer, arguments);
    match place(lexer, name, wrapper, arguments) {
        Place::At(at) => command(lexer, &arguments[at..]),
        Place::Nowhere => {}
        Place::Behind(at) => {
            for word in &arguments[at..] {
                for hole in word.all_holes() {
                    let message = format!(
                        "the options of `{name}` before this are not known here: it may be what is run"
                    );
                    let hint =
                        "write its options into the script, with `=` or in quotes, and the command itself";
                    lexer.refuse(hole, "shell-hidden-options", message, hint);
                }
                lexer.lexed.flows.unknown.extend(word.names.iter().cloned());
            }
            anywhere(lexer, &arguments[at..]);
        }
    }
}

/// `-e NAME=value`, `--setenv=NAME=value`: variables of the command that is run.
fn note_variables(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    for word in arguments {
        let start = word.literal_start();
        let prefix = match start.strip_prefix("--") {
            Some(long) => long.find('=').map_or(0, |at| at + 3),
            None if start.starts_with("-e") || start.starts_with("-E") => 2,
            None => 0,
        };
        let value = Word { units: word.units.get(prefix..).unwrap_or_default().to_vec(), ..word.clone() };
        if let Some(name) = assigned_name(&value) {
            lexer.lexed.flows.assign_by(&name, &value);
        }
    }
}

fn place(lexer: &mut Lexer<'_>, name: &str, wrapper: &Wrapper, arguments: &[Word]) -> Place {
    let mut operands = wrapper.operands;
    let mut options_end = false;
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        at += 1;
        let start = word.literal_start();
        let is_literal = word.literal().is_some();
        if word.splits && !is_literal && operands > 0 {
            return Place::Behind(at);
        }
        if !options_end && start.starts_with('-') && word.units.len() > 1 {
            if word.is_plain("--") || start == "--" && is_literal {
                options_end = true;
                continue;
            }
            let takes_next = match start.strip_prefix("--") {
                Some(long) => long_option(wrapper, long, is_literal),
                None => letters(wrapper, &start, word),
            };
            let is_code = (name == "env" && is_option(&start, 'S', "split-string"))
                || (name == "flock" && is_option(&start, 'c', "command"));
            if is_code {
                read_again(lexer, name, Language::Other, word);
            }
            match takes_next {
                Some(true) => {
                    if let Some(value) = arguments.get(at).filter(|_| is_code) {
                        read_again(lexer, name, Language::Other, value);
                    }
                    if arguments.get(at).is_some_and(|value| value.splits && value.literal().is_none()) {
                        return Place::Behind(at + 1);
                    }
                    at += 1;
                }
                Some(false) => {}
                None => {
                    refuse_option(lexer, word);
                    return Place::Behind(at);
                }
            }
        } else if !options_end && name == "env" && word.is_plain("-")
            || matches!(name, "env" | "sudo") && assigned_name(word).is_some()
        {
            // A flag of `env`, or a variable for the command.
        } else if operands > 0 {
            operands -= 1;
            // `flock file -c code`: options go on behind the operand of this one only.
            if name == "flock"
                && let [option, script, ..] = &arguments[at..]
                && (option.is_plain("-c") || option.is_plain("--command"))
            {
                if let Some(shell) = program_named("sh") {
                    "sh".clone_into(&mut lexer.reading);
                    code(lexer, shell, script);
                }
                return Place::Nowhere;
            }
            options_end |= name != "kubectl" && name != "oc";
        } else {
            return Place::At(at - 1);
        }
    }
    Place::Nowhere
}

fn is_option(start: &str, letter: char, long: &str) -> bool {
    match start.strip_prefix("--") {
        Some(name) => name.split('=').next() == Some(long),
        None => start.starts_with('-') && start.contains(letter),
    }
}

/// Tells whether the next word is a long option's value; none when that is not known.
fn long_option(wrapper: &Wrapper, long: &str, is_literal: bool) -> Option<bool> {
    if long.contains('=') || (is_literal && wrapper.long_flags.contains(&long)) {
        return Some(false);
    }
    (is_literal && wrapper.long_valued.contains(&long)).then_some(true)
}

/// Tells whether the next word is the value of an option in this one; none when that is not known.
fn letters(wrapper: &Wrapper, start: &str, word: &Word) -> Option<bool> {
    let is_literal = word.literal().is_some();
    for (at, letter) in start.char_indices().skip(1) {
        let is_last = at + letter.len_utf8() == start.len();
        if wrapper.valued.contains(letter) {
            return Some(is_last && is_literal);
        }
        if wrapper.optional.contains(letter) {
            return Some(false);
        }
        if !wrapper.flags.contains(letter) {
            return None;
        }
    }
    (is_literal && !hides_options(word, "")).then_some(false)
}

/// Judges every name of an interpreter among the arguments as a command.
fn anywhere(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    for at in 0..arguments.len() {
        let Some(name) = arguments[at].literal() else { continue };
        let program = program_named(&name);
        if program.is_some() || matches!(name.as_str(), "." | "source" | "export" | "declare") {
            super::commands::inspect(lexer, &arguments[at..]);
        }
        // What follows the code of `sh -c` are its arguments, and no commands.
        let is_shell = program.is_some_and(super::programs::Program::is_shell);
        let gives_code = |option: String| !option.starts_with("--") && option.contains('c');
        let mut options = arguments[at + 1..].iter().map(Word::literal_start);
        if is_shell && options.by_ref().take_while(|word| word.starts_with('-')).any(gives_code) {
            return;
        }
    }
}
