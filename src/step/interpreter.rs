//! Programs that read program text: as an argument (`sh -c`), on standard input (`psql`), or for another host (`ssh`).
//!
//! amflow fills holes safely in the languages that it parses. These programs parse once more, so what came from
//! outside must not reach the text that they parse.

/// What a program does with its arguments and its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// Its name, without directory and version.
    name: &'static str,
    /// Options whose next argument is program text; `-c` also stands for `-lc` and `-ec`.
    code_options: &'static [&'static str],
    /// Where program text stands without an option.
    code_at: CodeAt,
    /// Whether it runs what comes on standard input.
    reads_code: bool,
}

/// Where program text stands among a program's plain arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodeAt {
    /// Nowhere.
    Nowhere,
    /// The first one (`awk`, `sed`), unless an option brought the text.
    First,
    /// Everything after the first one, which names a host (`ssh`).
    AfterHost,
    /// All (`eval`).
    All,
}

const fn shell(name: &'static str) -> Interpreter {
    Interpreter { name, code_options: &["-c"], code_at: CodeAt::Nowhere, reads_code: true }
}

const fn language(name: &'static str, code_options: &'static [&'static str]) -> Interpreter {
    Interpreter { name, code_options, code_at: CodeAt::Nowhere, reads_code: true }
}

const fn filter(name: &'static str, code_options: &'static [&'static str]) -> Interpreter {
    Interpreter { name, code_options, code_at: CodeAt::First, reads_code: false }
}

const INTERPRETERS: &[Interpreter] = &[
    shell("sh"),
    shell("bash"),
    shell("dash"),
    shell("ash"),
    shell("ksh"),
    shell("mksh"),
    shell("zsh"),
    shell("fish"),
    shell("su"),
    shell("script"),
    Interpreter { name: "busybox", code_options: &["-c"], code_at: CodeAt::Nowhere, reads_code: true },
    language("python", &["-c"]),
    language("pypy", &["-c"]),
    language("perl", &["-e", "-E"]),
    language("ruby", &["-e"]),
    language("node", &["-e", "-p", "--eval", "--print"]),
    language("nodejs", &["-e", "-p", "--eval", "--print"]),
    language("php", &["-r", "-B", "-E", "-R"]),
    language("lua", &["-e"]),
    language("Rscript", &["-e"]),
    language("pwsh", &["-c", "-Command", "-command"]),
    language("osascript", &["-e"]),
    language("psql", &["-c", "--command"]),
    language("mysql", &["-e", "--execute"]),
    language("mariadb", &["-e", "--execute"]),
    language("sqlcmd", &["-Q", "-q"]),
    language("clickhouse-client", &["-q", "--query"]),
    language("mongosh", &["--eval"]),
    language("mongo", &["--eval"]),
    language("cqlsh", &["-e", "--execute"]),
    language("redis-cli", &["--eval"]),
    language("sqlplus", &[]),
    Interpreter { name: "sqlite3", code_options: &["-cmd"], code_at: CodeAt::AfterHost, reads_code: true },
    Interpreter { name: "ssh", code_options: &[], code_at: CodeAt::AfterHost, reads_code: true },
    Interpreter { name: "eval", code_options: &[], code_at: CodeAt::All, reads_code: false },
    filter("awk", &["-e", "--source"]),
    filter("gawk", &["-e", "--source"]),
    filter("mawk", &["-e", "--source"]),
    filter("sed", &["-e", "--expression"]),
    filter("jq", &[]),
    filter("yq", &[]),
];

/// Programs that run the program named by their own arguments.
const WRAPPERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "nice",
    "ionice",
    "nohup",
    "timeout",
    "setsid",
    "stdbuf",
    "time",
    "chroot",
    "xargs",
    "runuser",
    "flock",
    "systemd-run",
    "unshare",
    "nsenter",
    "exec",
    "command",
];

/// Options of `ssh` that take a value, as one letter.
const SSH_VALUES: &str = "BbcDEeFIiJLlmOoPpQRSWw";

/// What is known of a command's arguments from the author's text. A hole in an argument makes it not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The program that reads program text.
    pub(super) program: &'static str,
    /// Which arguments are program text.
    pub(super) code: Vec<usize>,
    /// Whether standard input is program text.
    pub(super) reads_code: bool,
}

impl Reading {
    /// Returns whether the program text is that of a POSIX shell, for which `| shq` quotes.
    pub(super) fn is_shell(&self) -> bool {
        const SHELLS: [&str; 9] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "su", "ssh"];
        SHELLS.contains(&self.program) || matches!(self.program, "busybox" | "script" | "eval")
    }
}

/// Returns how a command reads program text, or nothing when it is not known to do so.
///
/// `words` are the arguments; `None` stands for one whose text is not known before it is filled.
pub(super) fn reading(words: &[Option<&str>]) -> Option<Reading> {
    let program = words.iter().position(|word| interpreter(word.unwrap_or_default()).is_some())?;
    let wrapped = program == 0
        || words[0].is_some_and(|first| WRAPPERS.contains(&base(first)) || is_container_client(base(first)));
    let found = interpreter(words[program]?).filter(|_| wrapped)?;
    let rest = &words[program + 1..];
    let mut code = match found.code_at {
        _ if rest.is_empty() => Vec::new(),
        CodeAt::Nowhere => Vec::new(),
        CodeAt::All => (0..rest.len()).collect(),
        CodeAt::First => first_plain(rest, found).into_iter().collect(),
        CodeAt::AfterHost => {
            let host = first_plain_after_values(rest, if found.name == "ssh" { SSH_VALUES } else { "" });
            host.map_or_else(Vec::new, |host| (host + 1..rest.len()).collect())
        }
    };
    code.extend(after_options(rest, found));
    let mut code: Vec<usize> = code.into_iter().map(|at| at + program + 1).collect();
    code.sort_unstable();
    code.dedup();
    Some(Reading { program: found.name, code, reads_code: found.reads_code })
}

/// The arguments that options mark as program text, also when glued to them (`-ecmd`, `--eval=cmd`).
fn after_options(rest: &[Option<&str>], found: &Interpreter) -> Vec<usize> {
    let mut code = Vec::new();
    for (at, word) in rest.iter().enumerate() {
        let Some(word) = word else { continue };
        if *word == "--" {
            break;
        }
        for option in found.code_options {
            let is_short = option.len() == 2;
            let letter = option.chars().last().unwrap_or_default();
            let bundled =
                is_short && word.starts_with('-') && !word.starts_with("--") && word.ends_with(letter);
            if *word == *option || bundled {
                code.push(at + 1);
            } else if word.starts_with(option) && (is_short || word[option.len()..].starts_with('=')) {
                code.push(at);
            }
        }
    }
    code.retain(|at| *at < rest.len());
    code
}

/// The first argument that is no option, for programs whose text stands there unless an option brought it.
fn first_plain(rest: &[Option<&str>], found: &Interpreter) -> Option<usize> {
    let by_option = rest.iter().flatten().any(|word| {
        matches!(*word, "-f" | "--file" | "--from-file")
            || found.code_options.iter().any(|option| word.starts_with(option))
    });
    if by_option {
        return None;
    }
    first_plain_after_values(rest, "Fv")
}

/// The first argument that is no option and no option's value.
fn first_plain_after_values(rest: &[Option<&str>], with_value: &str) -> Option<usize> {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            Some("--") => return Some(at + 1).filter(|at| *at < rest.len()),
            Some(word) if word.len() > 1 && word.starts_with('-') => {
                let takes_next = word.len() == 2 && with_value.contains(&word[1..]);
                at += if takes_next { 2 } else { 1 };
            }
            _ => return Some(at),
        }
    }
    None
}

fn interpreter(word: &str) -> Option<&'static Interpreter> {
    let name = base(word);
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.iter().find(|known| known.name == name || (!plain.is_empty() && known.name == plain))
}

/// Clients that start a program inside a container or on another host.
fn is_container_client(name: &str) -> bool {
    matches!(
        name,
        "kubectl" | "oc" | "docker" | "podman" | "nerdctl" | "crictl" | "lxc" | "machinectl" | "ssh"
    )
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: &str) -> Option<(&'static str, Vec<usize>, bool)> {
        let words: Vec<Option<&str>> = command.split(' ').map(|word| (word != "_").then_some(word)).collect();
        reading(&words).map(|reading| (reading.program, reading.code, reading.reads_code))
    }

    #[test]
    fn arguments_that_are_program_text_are_known() {
        for (command, expected) in [
            ("sh -c _", Some(("sh", vec![2], true))),
            ("/bin/bash -euo pipefail -lc _ name _", Some(("bash", vec![4], true))),
            ("sudo -u postgres psql -c _", Some(("psql", vec![5], true))),
            ("python3.11 -c _", Some(("python", vec![2], true))),
            ("python3 script.py _", Some(("python", vec![], true))),
            ("ssh -- _ df _", Some(("ssh", vec![3, 4], true))),
            ("ssh -o BatchMode=yes -p 22 _ df -h _", Some(("ssh", vec![6, 7, 8], true))),
            ("kubectl exec pod -- sh -c _", Some(("sh", vec![6], true))),
            ("awk -F : _ file", Some(("awk", vec![3], false))),
            ("sed -n _ file", Some(("sed", vec![2], false))),
            ("sed -e _ file", Some(("sed", vec![2], false))),
            ("jq -r _", Some(("jq", vec![2], false))),
            ("mongosh --eval=x", Some(("mongosh", vec![1], true))),
            ("sqlite3 db.sqlite _", Some(("sqlite3", vec![2], true))),
            ("systemctl restart _", None),
            ("echo sh -c _", None),
            ("_ -c _", None),
            ("kubectl -n _ delete pod _", None),
            ("sh", Some(("sh", vec![], true))),
        ] {
            assert_eq!(read(command), expected, "{command}");
        }
    }
}
