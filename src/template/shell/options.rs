//! Options by which programs are told to run another program, and commands that stand behind other words.

use super::commands::{command, refuse_option};
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
    (&["systemd-run"], &["-p", "--property", "--path-property", "--socket-property", "--timer-property"]),
    (&["split"], &["--filter"]),
    (&["su", "runuser"], &["-s", "--shell"]),
    (&["awk", "gawk"], &["-l", "-i", "--load", "--include"]),
    (&["sort"], &["--compress-program"]),
    (&["tcpdump"], &["-z"]),
    (
        &["dpkg", "apt", "apt-get"],
        &["-o", "-c", "--option", "--config-file", "--pre-invoke", "--post-invoke"],
    ),
    (&["helm"], &["--post-renderer"]),
    (&["less"], &["-k", "--lesskey-src", "--lesskey-file"]),
    (&["sh", "bash", "dash", "zsh"], &["--rcfile", "--init-file"]),
    (&["psql"], &["-o", "-P", "--output", "--pset"]),
    (
        &["mysql", "mariadb"],
        &["--pager", "--tee", "--plugin-dir", "--defaults-file", "--defaults-extra-file"],
    ),
    (&["vagrant", "gcloud"], &["-c", "--command"]),
    (&["aws"], &["--parameters", "--command"]),
    (&["az"], &["--scripts"]),
    (&["start-stop-daemon"], &["-x", "-a", "--exec", "--startas"]),
    (&["at", "batch"], &["-f"]),
    (&["ssh-keygen"], &["-D"]),
    (&["pg_basebackup"], &["-t", "--target"]),
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
    if matches!(program, "sg" | "sudoedit" | "newgrp") {
        arguments.iter().skip(1).for_each(|word| refuse_option(lexer, word));
    }
    if matches!(program, "su" | "runuser") {
        as_user(lexer, arguments);
    }
    // `tar cIf program file`: letters without a dash.
    let letters =
        arguments.first().and_then(Word::literal).filter(|_| matches!(program, "tar" | "gtar" | "bsdtar"));
    if letters.is_some_and(|letters| !letters.starts_with('-') && letters.contains(['I', 'F'])) {
        arguments.iter().for_each(|word| refuse_option(lexer, word));
    }
    if program == "git" {
        let runs =
            |word: &Word| ["foreach", "filter-branch", "bisect"].iter().any(|verb| word.is_plain(verb));
        let behind = arguments.iter().skip_while(|word| !runs(word));
        behind.for_each(|word| refuse_option(lexer, word));
    }
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
fn as_user(lexer: &mut Lexer<'_>, arguments: &[Word]) {
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
        command(lexer, &arguments[*at..]);
    }
}
