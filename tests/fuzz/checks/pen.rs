//! Where scripts run that nobody has read: [`Pen`].
//!
//! They run in a directory of their own, which is also their home, with a few programs and no others, in a group that is
//! killed whole after two seconds, with limits on what they may take; for root as a user of their own, who owns nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// What scripts may call. Nothing of it takes files away, ends other processes, or asks the network.
const PROGRAMS: [&str; 15] = [
    "awk", "bash", "cat", "dash", "env", "find", "grep", "nice", "perl", "printf", "sed", "sh", "stdbuf",
    "tee", "xargs",
];

/// Reads a number a line, runs what `args` says, and answers with its status.
const KEEPER: &str = r#"
ulimit -f 128; ulimit -t 5; ulimit -v 2000000; ulimit -n 64
while read -r turn; do
  cd "$1/ground" || exit
  status=0
  xargs -0 -x -s 1000000 -a "$1/args" timeout -k 1 2 env -i </dev/null >"$1/out" 2>/dev/null || status=$?
  echo "$turn $status"
done
"#;

/// A place for scripts, and who runs them there. He is begun once: beginning processes from a large one takes long.
pub(crate) struct Pen {
    home: tempfile::TempDir,
    keeper: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    turn: u64,
}

/// What a script did.
pub(crate) struct Ran {
    pub(crate) succeeded: bool,
    /// The beginning of what it printed.
    pub(crate) printed: Vec<u8>,
    /// Files that it made.
    pub(crate) files: BTreeSet<String>,
}

impl Ran {
    pub(crate) fn made(&self, file: &str) -> bool {
        self.files.contains(file)
    }
}

impl Pen {
    /// Does something with the only pen there is.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Pen) -> T) -> T {
        static PEN: Mutex<Option<Pen>> = Mutex::new(None);
        let mut pen = PEN.lock().unwrap_or_else(PoisonError::into_inner);
        work(pen.get_or_insert_with(Pen::new))
    }

    fn new() -> Pen {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path();
        for (name, mode) in [("", 0o755), ("ground", 0o777), ("programs", 0o755)] {
            let directory = path.join(name);
            fs::create_dir_all(&directory).expect("a directory");
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).expect("its mode");
        }
        for program in PROGRAMS {
            let found = ["/usr/bin", "/bin"].map(|directory| Path::new(directory).join(program));
            if let Some(found) = found.iter().find(|path| path.exists()) {
                symlink(found, path.join("programs").join(program)).expect("a link");
            }
        }
        fs::write(path.join("out"), "").expect("a file");
        fs::set_permissions(path.join("out"), fs::Permissions::from_mode(0o666)).expect("its mode");
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = if is_root {
            // Nobody else is that user, so that the number of its processes can be limited.
            let user = 60_000 + std::process::id() % 5_000;
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={user}"),
                &format!("--regid={user}"),
                "--clear-groups",
                "--no-new-privs",
            ]);
            command.args(["dash", "-c", &format!("ulimit -p 64\n{KEEPER}")]);
            command
        } else {
            let mut command = Command::new("dash");
            command.args(["-c", KEEPER]);
            command
        };
        let command = command.arg("keeper").arg(path).env_clear().env("PATH", "/usr/bin:/bin");
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut keeper = keeper.expect("dash, and setpriv of util-linux");
        let asks = keeper.stdin.take().expect("its input");
        let answers = BufReader::new(keeper.stdout.take().expect("its output"));
        Pen { home, keeper, asks, answers, turn: 0 }
    }

    /// Runs a script, with nothing but these variables.
    pub(crate) fn run(&mut self, shell: &str, script: &str, variables: &[(String, String)]) -> Ran {
        let path = self.home.path();
        let mut args = vec![
            format!("PATH={}", path.join("programs").display()),
            format!("HOME={}", path.join("ground").display()),
        ];
        args.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
        args.extend([shell, "-eu", "-c", script].map(str::to_owned));
        fs::write(path.join("args"), args.join("\0")).expect("a file");
        self.turn += 1;
        writeln!(self.asks, "{}", self.turn).expect("the keeper hears");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the keeper answers");
        let status = answer.trim().strip_prefix(&format!("{} ", self.turn));
        let status = status.unwrap_or_else(|| panic!("the keeper says {answer:?}")).to_owned();
        let printed = fs::read(path.join("out")).expect("what it printed");
        Ran { succeeded: status == "0", printed, files: clear(&path.join("ground")) }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Takes all files out of a directory, and returns their names.
fn clear(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let cleared = paths.iter().map(|path| {
        let is_directory = path.symlink_metadata().is_ok_and(|about| about.is_dir());
        let gone = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        gone.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    });
    cleared.collect()
}
