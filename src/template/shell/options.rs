//! Options by which programs are told to run another program, and commands that stand behind other words.

use super::commands::{inspect, refuse_option, runs};
use super::lexer::Lexer;
use super::units::Word;

/// Programs, and their options whose value names or is something that they run.
const RUNNING: &[(&[&str], &[&str])] = &[
    (
        &["tar", "gtar", "bsdtar"],
        &[
            "-I",
            "-F",
            "--use-compress-program",
            "--to-command",
            "--checkpoint-action",
            "--info-script",
            "--new-volume-script",
            "--rsh-command",
            "--rmt-command",
        ],
    ),
    (&["scp", "sftp"], &["-o", "-S", "-F", "-D", "-J"]),
    (&["rsync"], &["-e", "--rsh", "--rsync-path"]),
    (
        &["git"],
        &[
            "-c",
            "-u",
            "--exec-path",
            "--upload-pack",
            "--receive-pack",
            "--config",
            "--config-env",
            "--exec",
            "--extcmd",
        ],
    ),
    (&["curl"], &["-K", "--config"]),
    (&["wget"], &["-e", "--use-askpass", "--execute", "--config"]),
    (&["man"], &["-P", "-H", "--pager", "--html"]),
    (&["nmap"], &["--script", "--script-args"]),
    (&["strace", "ltrace"], &["-o", "--output"]),
    (&["nc", "ncat", "netcat"], &["-e", "-c", "--exec", "--sh-exec", "--lua-exec"]),
    (&["zip"], &["-TT", "--unzip-command"]),
    (&["java"], &["-jar", "-cp", "-classpath", "--class-path", "-javaagent"]),
    (&["openssl"], &["-engine", "-provider", "-config"]),
    (&["gcc", "cc", "clang", "g++", "ld"], &["-B", "-fplugin", "-wrapper"]),
];

/// Judges the options of a program.
pub(super) fn judge(lexer: &mut Lexer<'_>, program: &str, arguments: &[Word]) {
    let Some((_, options)) = RUNNING.iter().find(|(programs, _)| programs.contains(&program)) else { return };
    for (at, word) in arguments.iter().enumerate() {
        let start = word.literal_start();
        for option in *options {
            let is_letter = option.len() == 2;
            let is_whole = start == *option;
            let is_among = is_letter
                && start.starts_with('-')
                && !start.starts_with("--")
                && start[1..].contains(&option[1..]);
            let has_value =
                start.strip_prefix(option).is_some_and(|rest| is_letter || rest.starts_with(['=', ':']));
            if is_among || has_value {
                refuse_option(lexer, word);
            }
            let is_last = is_among && start.ends_with(&option[1..]);
            if let (true, Some(value)) =
                ((is_whole || is_last) && word.literal().is_some(), arguments.get(at + 1))
            {
                refuse_option(lexer, value);
            }
        }
    }
}

/// `su` and `runuser`: a user and then a file of script, or with `-u` a command.
pub(super) fn as_user(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    let has_user =
        arguments.iter().any(|word| word.is_plain("-u") || word.literal_start().starts_with("--user"));
    let has_code =
        arguments.iter().any(|word| word.is_plain("-c") || word.literal_start().starts_with("--command"));
    let mut operands = Vec::new();
    let mut options_end = false;
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let start = word.literal_start();
        if !options_end && start.starts_with('-') {
            options_end = start == "--";
            let is_valued = ["-u", "-g", "-G", "-s", "-w", "-c"].iter().any(|option| word.is_plain(option));
            at += usize::from(is_valued);
        } else {
            operands.push(at);
            // What follows the first operand of `runuser -u` belongs to the command.
            options_end |= has_user;
        }
        at += 1;
    }
    let run = if has_user { operands.first() } else { operands.get(1) };
    if let Some(at) = run.filter(|_| !has_code) {
        runs(lexer, &arguments[*at], "a value cannot be the command that is run");
        inspect(lexer, &arguments[*at..]);
    }
}

/// `kubectl exec pod -- command`, `docker exec container command`.
pub(super) fn in_container(lexer: &mut Lexer<'_>, arguments: &[Word]) {
    let runs_command = |word: &Word| ["exec", "run", "debug"].iter().any(|verb| word.is_plain(verb));
    if let Some(end) = arguments.iter().position(|word| word.is_plain("--")) {
        if !arguments[..end].iter().any(runs_command) {
            return;
        }
        if let Some(command) = arguments.get(end + 1) {
            runs(lexer, command, "a value cannot be the command that is run");
        }
        return;
    }
    let Some(exec) = arguments.iter().position(|word| word.is_plain("exec")) else { return };
    let mut operands = 0;
    let mut words = arguments[exec + 1..].iter();
    while let Some(word) = words.next() {
        if word.literal_start().starts_with('-') {
            let valued =
                ["-e", "-u", "-w", "-n", "-c", "--env", "--user", "--workdir", "--env-file", "--detach-keys"];
            if valued.iter().any(|option| word.is_plain(option)) {
                words.next();
            }
            continue;
        }
        operands += 1;
        if operands == 2 {
            runs(lexer, word, "a value cannot be the command that is run");
            return;
        }
    }
}
