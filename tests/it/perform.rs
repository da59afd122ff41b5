//! Commands for real: their environment, their ends, their output, and what they leave behind.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use amflow::engine::{Call, Performer as _};
use amflow::perform::{Environment, Live, LiveOptions, SecretSource};
use amflow::step::{CommandEffect, CommandLimits, Effect, Exited, Reply, TextOrSecret};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(60);

struct Setup {
    live: Live,
    directory: tempfile::TempDir,
}

fn setup() -> Setup {
    setup_with(|_| ())
}

fn setup_with(change: impl FnOnce(&mut LiveOptions)) -> Setup {
    let directory = tempfile::tempdir().unwrap();
    let own = [("PATH", "/usr/bin:/bin"), ("HOME", "/nowhere"), ("TZ", "UTC"), ("AWS_SECRET_KEY", "leaked")];
    let mut options = LiveOptions {
        environment: own.iter().map(|(name, value)| (name.into(), value.into())).collect::<Environment>(),
        scratch: directory.path().to_owned(),
        grace: Duration::from_millis(300),
        ..LiveOptions::default()
    };
    change(&mut options);
    Setup { live: Live::new(options), directory }
}

fn argv(words: &[&str]) -> CommandEffect {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    CommandEffect { argv, output_limit: 64 * 1024, ..CommandEffect::default() }
}

fn sh(script: &str) -> CommandEffect {
    argv(&["sh", "-c", script])
}

fn call(effect: CommandEffect) -> Call {
    Call { run: "run-1".to_owned(), path: "clean".to_owned(), attempt: 2, effect: Effect::Command(effect) }
}

impl Setup {
    async fn reply(&self, effect: CommandEffect, limit: Duration) -> Reply {
        self.live.perform(&call(effect), limit, &CancellationToken::new()).await
    }

    async fn exited(&self, effect: CommandEffect) -> Exited {
        match self.reply(effect, LONG).await {
            Reply::Exited(exited) => exited,
            other => panic!("{other:?}"),
        }
    }

    async fn stdout(&self, effect: CommandEffect) -> String {
        let exited = self.exited(effect).await;
        assert_eq!(exited.exit_code, Some(0), "{exited:?}");
        exited.stdout.text
    }

    async fn refusal(&self, effect: CommandEffect) -> String {
        match self.reply(effect, LONG).await {
            Reply::Impossible { message, retryable: false, untouched: true } => message,
            other => panic!("{other:?}"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }
}

/// Whether a process runs; one that ended without being collected does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_command_gets_a_clean_environment_and_its_marks() {
    let setup = setup();
    let mut effect = argv(&["env"]);
    effect.env.insert("TZ".to_owned(), TextOrSecret::Text("Europe/Berlin".to_owned()));
    effect.env.insert("AMFLOW_ATTEMPT".to_owned(), TextOrSecret::Text("forged".to_owned()));
    let text = setup.stdout(effect).await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "AMFLOW_ATTEMPT=run-1/clean#2",
            "AMFLOW_RUN=run-1",
            "HOME=/nowhere",
            "PATH=/usr/bin:/bin",
            "TZ=Europe/Berlin"
        ]
    );
}

#[tokio::test]
async fn exit_codes_signals_streams_and_arguments_come_back_as_they_were() {
    let setup = setup();
    let exited = setup.exited(sh("echo out; echo err >&2; exit 7")).await;
    assert_eq!((exited.exit_code, &*exited.stdout.text, &*exited.stderr.text), (Some(7), "out\n", "err\n"));
    let exited = setup.exited(sh("kill -USR1 $$")).await;
    assert_eq!((exited.exit_code, exited.signal), (None, Some(10)));
    let hostile = "$(id) `id` ;'\"\n{{ x }} \\ -n %s";
    assert_eq!(setup.stdout(argv(&["printf", "%s|", hostile, "", "-e"])).await, format!("{hostile}||-e|"));
    assert_eq!(setup.stdout(sh("printf '%s' \"$0\"")).await, "sh");
}

#[tokio::test]
async fn standard_input_is_empty_unless_there_is_one() {
    let setup = setup();
    assert_eq!(setup.stdout(argv(&["cat"])).await, "");
    let text = "line\n".repeat(300_000);
    let counted = setup.stdout(CommandEffect { stdin: Some(text), ..argv(&["wc", "-c"]) }).await;
    assert_eq!(counted.trim(), "1500000");
}

#[tokio::test]
async fn input_that_nobody_reads_and_output_that_is_closed_early_hold_nothing_up() {
    let setup = setup();
    let megabyte = Some("x".repeat(1 << 20));
    for script in ["exit 3", "exec >&- 2>&-; sleep 0.05; exit 3", "head -c 10 >/dev/null; exit 3"] {
        let exited = setup.exited(CommandEffect { stdin: megabyte.clone(), ..sh(script) }).await;
        assert_eq!(exited.exit_code, Some(3), "{script}");
    }
}

#[tokio::test]
async fn ten_megabytes_on_both_streams_are_drained_and_cut() {
    let setup = setup();
    let script = "echo first; head -c 10000000 /dev/zero | tr '\\0' x; head -c 10000000 /dev/zero | tr '\\0' y >&2; echo last";
    let exited = setup.exited(CommandEffect { output_limit: 1_000, ..sh(script) }).await;
    assert_eq!(exited.stdout.cut, 10_000_000 + 11 - 1_000);
    assert_eq!(exited.stderr.cut, 10_000_000 - 1_000);
    assert!(exited.stdout.text.starts_with("first\nxxx") && exited.stdout.text.ends_with("xxxlast\n"));
    assert!(exited.stdout.text.len() < 1_100);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_asked_to_end_and_what_it_wrote_is_kept() {
    let setup = setup();
    let script = "trap 'echo cleaned; exit 0' TERM; echo begun; sleep 100 & wait";
    let reply = setup.reply(sh(script), Duration::from_millis(150)).await;
    let Reply::TimedOut { limit_ms: 150, output: Some(output) } = reply else { panic!("{reply:?}") };
    assert_eq!((output.exit_code, &*output.stdout.text), (Some(0), "begun\ncleaned\n"));
}

#[tokio::test]
async fn a_whole_group_that_ignores_the_request_is_killed() {
    let setup = setup();
    let pids = setup.path("pids");
    // A grandchild whose parent has ended, and which no signal but KILL ends.
    let script = format!(
        "trap '' TERM; (sh -c 'echo $$ >>{pids}; exec sleep 100' &); echo $$ >>{pids}; while :; do sleep 0.1; done"
    );
    let (stop, call) = (CancellationToken::new(), call(sh(&script)));
    let begun = Instant::now();
    let (reply, ()) = tokio::join!(setup.live.perform(&call, LONG, &stop), async {
        while std::fs::read_to_string(&pids).unwrap_or_default().lines().count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    });
    let Reply::Stopped { output: Some(output) } = reply else { panic!("{reply:?}") };
    assert_eq!(output.signal, Some(9));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let pids = std::fs::read_to_string(pids).unwrap();
    assert!(pids.lines().count() == 2 && !pids.lines().any(runs), "{pids}");
}

#[tokio::test]
async fn what_a_command_leaves_in_its_group_is_ended_with_it() {
    let setup = setup();
    let begun = Instant::now();
    let text = setup.stdout(sh("sleep 100 & echo $!")).await;
    assert!(!runs(&text) && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_left_the_group_lives_on_and_its_hold_on_the_pipes_holds_nothing_up() {
    let setup = setup();
    let begun = Instant::now();
    let file = setup.path("pid");
    let script = format!(
        "setsid sh -c 'echo $$ >{file}; exec sleep 5' & while ! [ -s {file} ]; do sleep 0.01; done; echo done"
    );
    assert_eq!(setup.stdout(sh(&script)).await, "done\n");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let pid = std::fs::read_to_string(file).unwrap();
    assert!(runs(&pid));
    assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[tokio::test]
async fn a_command_that_is_no_longer_awaited_is_killed_with_its_group() {
    let setup = setup();
    let file = setup.path("pid");
    let call = call(sh(&format!("sh -c 'echo $$ >{file}; exec sleep 100' & wait")));
    let never = CancellationToken::new();
    tokio::select! {
        reply = setup.live.perform(&call, LONG, &never) => panic!("{reply:?}"),
        () = async {
            while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => (),
    }
    let pid = std::fs::read_to_string(file).unwrap();
    while runs(&pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nothing_is_started_when_the_run_is_stopped_already() {
    let setup = setup();
    let stop = CancellationToken::new();
    stop.cancel();
    let file = setup.path("made");
    let reply = setup.live.perform(&call(argv(&["touch", &file])), LONG, &stop).await;
    assert_eq!(reply, Reply::Stopped { output: None });
    assert!(!Path::new(&file).exists());
}

#[tokio::test]
async fn what_cannot_be_started_is_explained_and_nothing_was_touched() {
    let setup = setup();
    let write = |name: &str, text: &str, mode| {
        let path = setup.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let plain = write("plain", "#!/bin/sh\n", 0o644);
    let orphan = write("orphan", "#!/no/such/interpreter\n", 0o755);
    let noise = write("noise", "\u{1}\u{2}", 0o755);
    let long = "x".repeat(200_000);
    let in_directory =
        |directory: &str| CommandEffect { directory: Some(directory.to_owned()), ..argv(&["true"]) };
    let with_env = |name: &str, value: &str| {
        let env = BTreeMap::from([(name.to_owned(), TextOrSecret::Text(value.to_owned()))]);
        CommandEffect { env, ..argv(&["true"]) }
    };
    let many: Vec<&str> = vec![&long[..100_000]; 40];
    let user = CommandLimits { user: Some("no-such-user".to_owned()), ..CommandLimits::default() };
    let cases = [
        (argv(&[]), "the command is empty"),
        (argv(&[""]), "the command is empty"),
        (argv(&["no-such-program"]), "no program `no-such-program` in PATH (/usr/bin:/bin)"),
        (argv(&["/no/such/program"]), "no program `/no/such/program`"),
        (argv(&[&plain]), "is not executable"),
        (argv(&[&orphan]), "not the interpreter that its first line names"),
        (argv(&[&noise]), "is no program for this machine"),
        (argv(&["echo", &long]), "argument 1 has 200000 bytes, Linux takes 131071"),
        (argv(&[&["echo"], &many[..]].concat()), "too long in all"),
        (with_env("BIG", &long), "the variable `BIG` is too long"),
        (argv(&["echo", "a\0b"]), "argument 1 holds a NUL byte"),
        (with_env("A", "a\0b"), "the variable `A` holds a NUL byte"),
        (with_env("A=B", "x"), "`A=B` is no name"),
        (with_env("", "x"), "`` is no name"),
        (in_directory("/no/such/directory"), "cannot enter the working directory `/no/such/directory`"),
        (in_directory(&plain), "is no directory"),
        (CommandEffect { limits: user, ..argv(&["true"]) }, "no user `no-such-user`"),
    ];
    for (effect, part) in cases {
        let message = setup.refusal(effect).await;
        assert!(message.contains(part) && message.len() < 300, "{message}");
    }
}

#[tokio::test]
async fn a_command_runs_in_its_directory_and_finds_relative_programs_there() {
    let setup = setup();
    let path = setup.path("tool");
    std::fs::write(&path, "#!/bin/sh\npwd\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let here = setup.path("");
    let effect = CommandEffect { directory: Some(here.clone()), ..argv(&["./tool"]) };
    assert_eq!(setup.stdout(effect).await.trim(), here.trim_end_matches('/'));
}

#[tokio::test]
async fn context_and_outputs_are_private_files_that_are_gone_afterwards() {
    let setup = setup();
    let script = "cat \"$AMFLOW_CONTEXT\"; stat -c ' %a' \"$AMFLOW_CONTEXT\" \"$AMFLOW_OUTPUT\"
        printf 'freed=12 MB\\ntext<<END\\none\\ntwo\\nEND\\n' >>\"$AMFLOW_OUTPUT\"";
    let effect = CommandEffect { context: Some(r#"{"a":[1]}"#.into()), outputs: true, ..sh(script) };
    let exited = setup.exited(effect).await;
    assert_eq!(exited.stdout.text, "{\"a\":[1]} 600\n 600\n");
    let expected = [("freed", "12 MB"), ("text", "one\ntwo")];
    assert_eq!(exited.outputs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let left = walk(setup.directory.path());
    assert!(left.iter().all(|path| path.is_dir()), "{left:?}");
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

#[tokio::test]
async fn outputs_that_cannot_be_read_fail_a_command_that_succeeded() {
    let setup = setup();
    let outputs = |script: &str| CommandEffect { outputs: true, ..sh(script) };
    let reply = setup.reply(outputs("echo nonsense >\"$AMFLOW_OUTPUT\""), LONG).await;
    let Reply::Impossible { message, untouched: false, retryable: false } = reply else {
        panic!("{reply:?}")
    };
    assert!(message.contains("line 1 of $AMFLOW_OUTPUT is neither"), "{message}");
    let exited = setup.exited(outputs("echo nonsense >\"$AMFLOW_OUTPUT\"; printf oops >&2; exit 4")).await;
    assert_eq!(exited.exit_code, Some(4));
    assert!(
        exited.stderr.text.starts_with("oops\namflow: line 1 of $AMFLOW_OUTPUT"),
        "{}",
        exited.stderr.text
    );
}

#[tokio::test]
async fn secrets_reach_the_command_and_never_what_it_prints() {
    let setup = setup_with(|options| {
        let file = options.scratch.join("token");
        std::fs::write(&file, "hunter2-and-more\n").unwrap();
        options
            .secrets
            .insert("token".to_owned(), SecretSource { file: Some(file), ..SecretSource::default() });
    });
    let script =
        "test ${#TOKEN} = 16 || exit 9; printf 'a%sb' hunter2-and; sleep 0.05; printf -- '-more'; sleep 0.05;
        printf %s \"$TOKEN\" | base64 >&2; echo \"got=$TOKEN\" >$AMFLOW_OUTPUT; printf ' %s' \"$TOKEN\"";
    let mut effect = CommandEffect { outputs: true, output_limit: 40, ..sh(script) };
    effect.env.insert("TOKEN".to_owned(), TextOrSecret::Secret("token".to_owned()));
    let exited = setup.exited(effect).await;
    assert_eq!(exited.exit_code, Some(0));
    assert_eq!(exited.stdout.text, "ahunter2-andb-more [redacted]");
    assert!(exited.stderr.text.starts_with("[redacted]"), "{}", exited.stderr.text);
    assert_eq!(exited.outputs["got"], "[redacted]");
    let split = "printf hunter2-; sleep 0.05; printf and-m; sleep 0.05; printf ore";
    assert_eq!(setup.stdout(sh(split)).await, "[redacted]");
    let mut unknown = argv(&["true"]);
    unknown.env.insert("X".to_owned(), TextOrSecret::Secret("other".to_owned()));
    assert_eq!(setup.refusal(unknown).await, "no secret `other` in the configuration; it has: token");
    assert_eq!(setup.refusal(argv(&["/x/hunter2-and-more"])).await, "no program `/x/[redacted]`");
}

#[tokio::test]
async fn limits_are_in_force_and_the_words_of_the_command_stay_words() {
    let setup = setup();
    let limits = CommandLimits {
        open_files: Some(64),
        cpu_seconds: Some(100),
        memory_bytes: Some(4 << 30),
        file_bytes: Some(1 << 20),
        user: None,
    };
    let script = "ulimit -n; ulimit -t; ulimit -v; ulimit -f; printf '%s|' \"$@\"";
    let words = ["sh", "-c", script, "sh", "$(id)", "a b", "", "'"];
    let effect = CommandEffect { limits, ..argv(&words) };
    assert_eq!(setup.stdout(effect).await, "64\n100\n4194304\n2048\n$(id)|a b||'|");
    let too_many = CommandLimits { open_files: Some(u64::MAX), ..CommandLimits::default() };
    assert_eq!(setup.stdout(CommandEffect { limits: too_many, ..sh("echo ran") }).await, "ran\n");
}

#[tokio::test]
async fn another_user_finds_its_files_when_amflow_is_root() {
    let setup = setup();
    let limits = CommandLimits { user: Some("nobody".to_owned()), ..CommandLimits::default() };
    let effect = CommandEffect {
        limits,
        outputs: true,
        context: Some("{}".into()),
        ..sh("id -un; cat \"$AMFLOW_CONTEXT\"; echo \" $USER\"; echo a=1 >\"$AMFLOW_OUTPUT\"")
    };
    // The directory above must let it through, as /tmp does.
    std::fs::set_permissions(setup.directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        let exited = setup.exited(effect).await;
        assert_eq!((&*exited.stdout.text, &*exited.outputs["a"]), ("nobody\n{} nobody\n", "1"), "{exited:?}");
        assert!(walk(setup.directory.path()).is_empty());
    } else {
        assert!(setup.refusal(effect).await.contains("amflow itself must run as root"));
    }
}

#[tokio::test]
async fn survivors_of_a_killed_parent_are_found_by_their_mark_and_ended_whole() {
    let setup = setup();
    let pids = setup.path("pids");
    // Stands for an amflow that is killed: its command has a child that left the group, one that ignores
    // TERM, and one whose environment was cleaned but that is in the group.
    let script = format!(
        "setsid sh -c 'echo $$ >>{pids}; exec sleep 100' &
         sh -c 'trap \"\" TERM; echo $$ >>{pids}; while :; do sleep 0.1; done' &
         env -i sh -c 'echo $$ >>{pids}; exec sleep 100' &
         echo $$ >>{pids}; wait"
    );
    let spawn = |mark: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("{script}; :")]).env("AMFLOW_ATTEMPT", mark).process_group(0);
        command.spawn().unwrap()
    };
    let mut parent = spawn("run-9/a#1");
    while std::fs::read_to_string(&pids).unwrap_or_default().lines().count() < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let other = ["run-8".to_owned(), "run".to_owned(), "run-99".to_owned()];
    assert_eq!(setup.live.end_survivors(&other).await, [""; 0]);
    parent.kill().unwrap();
    parent.wait().unwrap();
    let marks = setup.live.end_survivors(&["run-8".to_owned(), "run-9".to_owned()]).await;
    assert_eq!(marks, ["run-9/a#1"]);
    let pids = std::fs::read_to_string(pids).unwrap();
    let left: Vec<&str> = pids.lines().filter(|pid| runs(pid)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(setup.live.end_survivors(&["run-9".to_owned()]).await, [""; 0]);
}
