//! The programs that read their arguments or their input as code: one table.

use super::wrappers::runs_others;

/// In which language a program reads code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// A shell's: `| shq` makes a value one word of it.
    Shell,
    /// Another, which nothing here can quote for.
    Other,
}

/// Where a program takes code from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Every argument: `eval`.
    Everything,
    /// Everything after the first operand: `ssh host command`.
    AfterOperand,
    /// What follows these options; the first operand is a file of code: `sh -c`, `python -c`.
    OptionOrFile,
    /// What follows these options; operands are data: `psql -c`, `su -c`.
    Option,
    /// The first operand, unless these options gave it: `sed`, `awk`.
    FirstOperand,
    /// No argument; only its input.
    Input,
}

/// A program that reads code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    names: &'static [&'static str],
    pub(super) language: Language,
    pub(super) code: Code,
    /// Options that code follows: letters, and long names.
    pub(super) letters: &'static str,
    pub(super) long: &'static [&'static str],
    /// Options whose value is something else: letters.
    pub(super) valued: &'static str,
    /// Whether it reads its input as code when it was given none.
    pub(super) input: bool,
}

use Code::{AfterOperand, Everything, FirstOperand, Input, Option as AfterOption, OptionOrFile};
use Language::{Other, Shell};

const fn program(
    names: &'static [&'static str],
    language: Language,
    code: Code,
    options: (&'static str, &'static [&'static str], &'static str),
    input: bool,
) -> Program {
    Program { names, language, code, letters: options.0, long: options.1, valued: options.2, input }
}

#[rustfmt::skip]
static PROGRAMS: &[Program] = &[
    program(&["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash", "fish"], Shell, OptionOrFile, ("c", &["command"], "oO"), true),
    program(&["csh", "tcsh", "nu", "pwsh", "powershell", "xonsh"], Other, OptionOrFile, ("c", &["command", "Command"], ""), true),
    program(&["eval", "watch", "trap", "alias", "compgen", "complete", "bind", "fc", "pee", "hyperfine"], Shell, Everything, ("", &[], ""), false),
    program(&["parallel", "capsh", "dtach", "abduco", "make", "gmake", "entr", "tmux", "screen", "expect", "ansible", "ansible-playbook", "ansible-console", "ansible-pull", "salt", "salt-call", "salt-ssh", "pdsh", "clush", "iex", "socat", "vim", "vi", "nvim", "ex", "ed", "emacs", "gdb", "m4", "tclsh"], Other, Everything, ("", &[], ""), true),
    program(&["ssh", "autossh", "slogin", "rsh", "mosh", "dbclient"], Shell, AfterOperand, ("", &[], "BbcDEeFIiJLlmOopQRSWw"), true),
    program(&["su", "runuser", "script", "sg", "newgrp"], Shell, AfterOption, ("c", &["command", "session-command"], "gGsw"), true),
    program(&["python", "pypy", "jython", "ipython"], Other, OptionOrFile, ("c", &[], "WXmQ"), true),
    program(&["perl", "raku"], Other, OptionOrFile, ("eE", &[], "I"), true),
    program(&["ruby", "jruby", "irb"], Other, OptionOrFile, ("e", &[], "IrCE"), true),
    program(&["node", "nodejs", "deno", "bun"], Other, OptionOrFile, ("ep", &["eval", "print"], "r"), true),
    program(&["php"], Other, OptionOrFile, ("rBRE", &["run", "process-begin", "process-code", "process-end"], "dczt"), true),
    program(&["lua", "luajit", "guile", "Rscript", "R", "groovy", "scala", "osascript", "julia", "elixir", "erl", "ghc"], Other, OptionOrFile, ("eEl", &["eval"], ""), true),
    program(&["psql"], Other, AfterOption, ("cf", &["command", "file"], "dhpUvPFRLoT"), true),
    program(&["mysql", "mariadb", "mycli"], Other, AfterOption, ("e", &["execute", "init-command"], "uhPDS"), true),
    program(&["sqlite", "sqlite3", "duckdb"], Other, AfterOperand, ("", &[], ""), true),
    program(&["clickhouse", "clickhouse-client", "clickhouse-local"], Other, AfterOption, ("q", &["query", "queries-file"], ""), true),
    program(&["mongo", "mongosh"], Other, AfterOption, ("", &["eval"], ""), true),
    program(&["cqlsh"], Other, AfterOption, ("e", &["execute"], ""), true),
    program(&["influx"], Other, AfterOption, ("", &["execute"], ""), true),
    program(&["sqlplus", "isql", "sqlcmd", "bsqldb", "usql", "redis-cli", "snowsql", "hive", "beeline", "spark-sql", "trino", "presto"], Other, AfterOption, ("efQqX", &["execute", "eval", "query"], ""), true),
    program(&["awk", "gawk", "mawk", "nawk"], Other, FirstOperand, ("fe", &["file", "source", "exec"], "vF"), false),
    program(&["sed", "gsed"], Other, FirstOperand, ("fe", &["file", "expression"], "l"), false),
    program(&["crontab", "logrotate"], Other, FirstOperand, ("", &[], "uslm"), true),
    program(&["jq", "jaq", "gojq", "yq"], Other, FirstOperand, ("f", &["from-file"], "L"), false),
    program(&["xargs", "gxargs", "bc", "dc", "at", "batch", "nsupdate", "gnuplot", "kubectl-apply", "sftp", "ftp", "telnet", "nft", "iptables-restore"], Other, Input, ("", &[], ""), true),
];

/// Variables that make shells and programs run something, or find other programs.
const SPECIAL_VARIABLES: &[&str] = &[
    "PATH",
    "ENV",
    "BASH_ENV",
    "IFS",
    "SHELLOPTS",
    "BASHOPTS",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PROMPT_COMMAND",
    "SHELL",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "MAKEFLAGS",
    "MAKEFILES",
    "NODE_OPTIONS",
    "NODE_PATH",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "GCONV_PATH",
    "RSYNC_RSH",
    "CVS_RSH",
    "SUDO_ASKPASS",
    "SSH_ASKPASS",
    "TAR_OPTIONS",
    "AWKPATH",
    "CDPATH",
    "HOME",
    "ZDOTDIR",
    "INPUTRC",
    "FCEDIT",
    "BASH_LOADABLES_PATH",
    "PSQLRC",
    "PSQL_PAGER",
    "PSQL_EDITOR",
    "SYSTEMD_PAGER",
    "SYSTEMD_EDITOR",
    "LESSKEYIN",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "CLASSPATH",
    "JDK_JAVA_OPTIONS",
    "GEM_PATH",
    "GEM_HOME",
    "CURL_HOME",
    "WGETRC",
    "VIMINIT",
    "EXINIT",
    "XDG_CONFIG_HOME",
];
const SPECIAL_PREFIXES: &[&str] = &[
    "LD_",
    "DYLD_",
    "BASH_FUNC_",
    "PYTHON",
    "PERL5",
    "GIT_",
    "LUA_",
    "PHP_INI",
    "ANSIBLE_",
    "NPM_CONFIG_",
    "AMFLOW_",
];

/// Tells whether a variable of this name makes a shell or a program run something: `PATH`, `LD_PRELOAD`, `BASH_ENV`, `PS4` ...
///
/// Text from strangers must never be in such a variable, neither in a script nor in a step's `env:`.
///
/// ```
/// use amflow::template::is_special_variable;
/// assert!(is_special_variable("LD_PRELOAD") && is_special_variable("PATH"));
/// assert!(!is_special_variable("MOUNTPOINT"));
/// ```
pub fn is_special_variable(name: &str) -> bool {
    SPECIAL_VARIABLES.contains(&name) || SPECIAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the program of the table that a command names.
pub(super) fn program_named(command: &str) -> Option<&'static Program> {
    // `m4` and `sqlite3` are names, the 3 of `python3` is a version.
    let file = command.rsplit('/').next().unwrap_or_default();
    let named = |name: &str| PROGRAMS.iter().find(|program| program.names.contains(&name));
    named(file).or_else(|| named(normal(command)))
}

/// The name without its directory and version: `/usr/bin/python3.11` is `python`.
fn normal(command: &str) -> &str {
    let name = command.rsplit('/').next().unwrap_or_default();
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    // `sqlite3`, and the like, are in the table by both names.
    if plain.is_empty() { name } else { plain }
}

/// Tells whether a program reads its standard input as code: a shell, an interpreter, ssh, a client of a database.
///
/// Text from strangers must never be such a program's `stdin:`.
///
/// ```
/// use amflow::template::is_interpreter;
/// assert!(is_interpreter("/usr/bin/python3.11"));
/// assert!(is_interpreter("ssh") && is_interpreter("psql"));
/// assert!(!is_interpreter("tee"));
/// ```
pub fn is_interpreter(argv0: &str) -> bool {
    program_named(argv0).is_some_and(|program| program.input)
}

/// Returns the first program among a command's arguments that reads standard input as code, also
/// behind `sudo`, `env`, `docker exec` and the like.
///
/// ```
/// use amflow::template::interpreter_in;
/// assert_eq!(interpreter_in(&["sudo", "-u", "postgres", "psql"]), Some("psql"));
/// assert_eq!(interpreter_in(&["tee", "/tmp/sh"]), None);
/// ```
pub fn interpreter_in<S: AsRef<str>>(argv: &[S]) -> Option<&str> {
    let (first, rest) = argv.split_first()?;
    if is_interpreter(first.as_ref()) {
        return Some(first.as_ref());
    }
    if !runs_others(first.as_ref()) {
        return None;
    }
    rest.iter().map(AsRef::as_ref).find(|argument| is_interpreter(argument))
}

impl Program {
    /// Tells whether it is a shell, whose code `$0`, `$1` and so on follow.
    pub(super) fn is_shell(&self) -> bool {
        self.language == Language::Shell && self.code == Code::OptionOrFile
    }

    /// The letters behind which a value may stand in the same word.
    pub(super) fn attached(&self) -> &'static str {
        // `-ppassword`, but not `-p password`.
        if self.first_name() == "mysql" { "uhPDSp" } else { self.valued }
    }

    /// The first of its names.
    pub(super) fn first_name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}
