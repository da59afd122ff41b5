//! Hostile values through every context, with real shells: a value arrives byte for byte or is refused, and nothing else runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use amflow::model::{MatcherSyntax, parse_one};
use amflow::template::{
    Dialect, Expression, FILTERS, HeaderTemplate, JsonTemplate, MatcherTemplate, NameFacts, Names,
    RenderError, Scope, ShellScript, ShellTemplate, Taint, TextTemplate, UrlTemplate, Value,
};
use proptest::prelude::*;
use serde_json::json;

use crate::fuzz::checks::{FRAGMENTS, PAYLOADS, hostile_values, places};

/// A fresh directory with a file for globs to find, and a stand-in for ssh that reads its words again as sshd does.
struct Ground {
    directory: tempfile::TempDir,
    programs: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let ground = Self {
            directory: tempfile::tempdir().expect("a directory"),
            programs: tempfile::tempdir().expect("another"),
        };
        std::fs::write(ground.directory.path().join("decoy"), "").expect("a decoy");
        let ssh = ground.programs.path().join("ssh");
        std::fs::write(&ssh, "#!/bin/sh\n[ \"$1\" = -- ] && shift\nshift\nexec /bin/sh -c \"$*\"\n")
            .expect("ssh");
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).expect("ssh is a program");
        ground
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/bin:/bin", self.programs.path().display());
        command.env_clear().env("PATH", path).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Runs a script and returns what it printed.
    fn run(&self, shell: &str, script: &ShellScript) -> (bool, Vec<u8>, String) {
        let mut command = self.command(shell);
        command
            .args(["-eu", "-c", &script.script])
            .envs(script.variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("a shell");
        (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs a script that may never end by itself: one that calls itself, or waits.
    fn run_briefly(&self, shell: &str, script: &ShellScript) {
        let mut command = self.command("timeout");
        command
            .args(["-k", "1", "5", shell, "-eu", "-c", &script.script])
            .envs(script.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("a shell, and `timeout` of coreutils");
    }

    fn assert_untouched(&self, about: &str) {
        let files: BTreeSet<String> = files_in(self.directory.path());
        assert_eq!(files, BTreeSet::from(["decoy".to_owned()]), "something ran: {about}");
    }
}

fn files_in(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn shells() -> Vec<(&'static str, Dialect)> {
    [("dash", Dialect::Posix), ("bash", Dialect::Bash), ("sh", Dialect::Posix)]
        .into_iter()
        .filter(|(shell, _)| {
            *shell != "sh" || std::fs::read_link("/bin/sh").is_ok_and(|link| !link.ends_with("dash"))
        })
        .collect()
}

fn scope(value: &str) -> Scope {
    Scope::new().with("x", Value::from(value))
}

/// What is refused wherever it would become an argument or a variable.
fn is_refused_everywhere(value: &str) -> bool {
    value.contains('\0') || value.len() > 120 << 10
}

#[test]
fn values_reach_commands_byte_for_byte_in_every_place_of_a_script_under_dash() {
    let cases = values_reach_commands_under("dash", Dialect::Posix);
    assert!(cases > 1323, "{cases} cases ran");
}

#[test]
fn values_reach_commands_byte_for_byte_in_every_place_of_a_script_under_bash() {
    let cases = values_reach_commands_under("bash", Dialect::Bash);
    assert!(cases > 1323, "{cases} cases ran");
}

/// Fills every place with every value; nothing but the script's own commands may run.
fn values_reach_commands_under(shell: &str, dialect: Dialect) -> usize {
    let values = hostile_values();
    assert!(values.len() >= 40 && places().len() >= 33);
    let mut cases = 0;
    for place in places() {
        if place.bash_only && dialect != Dialect::Bash {
            continue;
        }
        {
            let ground = Ground::new();
            let template = ShellTemplate::compile(place.script, dialect)
                .unwrap_or_else(|problems| panic!("{}: {problems:?}", place.name));
            for value in &values {
                let about =
                    format!("{} under {shell}: {:?}", place.name, value.chars().take(60).collect::<String>());
                let script = match template.render(&scope(value)) {
                    Ok(script) => script,
                    Err(error) => {
                        let is_known = is_refused_everywhere(value)
                            || (value.starts_with('-') && error.code == "value-dash")
                            // Quoting for other shells makes a text longer.
                            || (error.code == "value-too-long" && place.script.contains("shq"));
                        assert!(is_known, "{about}: {error}");
                        continue;
                    }
                };
                assert!(!is_refused_everywhere(value), "{about} is taken");
                assert!(!(place.refuses_dash && value.starts_with('-')), "{about} is taken");
                let (succeeded, printed, said) = ground.run(shell, &script);
                let text = if place.strips { value.trim_end_matches('\n') } else { value };
                let expected = format!("{}{text}{}", place.before, place.after);
                assert!(succeeded, "{about}: {said}\n{}", script.script);
                assert!(
                    printed == expected.as_bytes(),
                    "{about}: {:?}\n{}",
                    String::from_utf8_lossy(&printed).chars().take(200).collect::<String>(),
                    script.script
                );
                ground.assert_untouched(&about);
                cases += 1;
            }
        }
    }
    cases
}

#[test]
fn arithmetic_takes_whole_numbers_and_nothing_else() {
    let scripts = [
        "printf '%s' $(( {{ x }} ))",
        "printf '%s' \"$(( {{ x }} ))\"",
        "v={{ x }}; printf '%s' $(( v ))",
        "v={{ x }}; printf '%s' $(( $v ))",
        "printf '%s' $(( $(printf '%s' {{ x }}) ))",
    ];
    for source in scripts {
        for (shell, dialect) in shells() {
            let ground = Ground::new();
            let template = ShellTemplate::compile(source, dialect).expect(source);
            for value in hostile_values().iter().map(String::as_str).chain([
                "7",
                "-7",
                "0",
                "007",
                "0x1f",
                "1+1",
                "9999999999999999999",
            ]) {
                match template.render(&scope(value)) {
                    Ok(script) => {
                        assert!(["7", "-7", "0"].contains(&value), "{source} takes {value:?}");
                        let (_, printed, said) = ground.run(shell, &script);
                        assert_eq!(String::from_utf8_lossy(&printed), value, "{source}: {said}");
                    }
                    Err(_) => assert!(!["7", "-7", "0"].contains(&value), "{source} refuses {value:?}"),
                }
            }
            ground.assert_untouched(source);
        }
    }
}

/// The expression of an example with `x` in the place of what it starts from.
fn filters_of_example(entry: &amflow::template::Entry) -> String {
    let bar = entry.example.find(&format!("| {}", entry.name)).expect("the example shows its filter");
    entry.example[bar..].to_owned()
}

#[test]
fn every_filter_keeps_values_what_they_are() {
    let ground = Ground::new();
    for entry in FILTERS.iter().filter(|entry| entry.name != "raw") {
        let filters = filters_of_example(entry);
        for start in ["x", "[x, x]", "{\"k\": x}"] {
            let source = format!("{start} {filters}");
            let plain = source.replace("| dash_ok", "");
            let expression =
                Expression::compile(&plain).unwrap_or_else(|problems| panic!("{plain}: {problems:?}"));
            let script = ShellTemplate::compile(&format!("printf '<%s>' {{{{ {source} }}}}"), Dialect::Bash)
                .unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
            for value in hostile_values() {
                let scope = scope(&value);
                let expected = expression
                    .eval(&scope)
                    .map_err(|error| error.to_string())
                    .and_then(|value| words(&value));
                let about = format!("{source} with {:?}", value.chars().take(60).collect::<String>());
                match (script.render(&scope), expected) {
                    (Ok(script), Ok(expected)) => {
                        let is_fixed_text = value.len() < 4 || value.contains("AMFLOW_V");
                        assert!(
                            is_fixed_text || !script.script.contains(value.as_str()),
                            "{about}: {}",
                            script.script
                        );
                        let printed: String =
                            script.variables.iter().map(|(_, word)| format!("<{word}>")).collect();
                        let expected_variables =
                            if expected == "<>" && printed.is_empty() { "" } else { &expected };
                        assert_eq!(printed, expected_variables, "{about}");
                        // The places are proved with every value elsewhere; here a few are enough.
                        if !["$(touch canary)", "'; touch canary; '", "a\nb", "*"].contains(&value.as_str()) {
                            continue;
                        }
                        let (succeeded, printed, said) = ground.run("bash", &script);
                        assert!(succeeded, "{about}: {said}");
                        assert_eq!(String::from_utf8_lossy(&printed), expected, "{about}");
                    }
                    (Ok(script), Err(error)) => panic!("{about} is taken: {} but {error}", script.script),
                    (Err(_), _) => {}
                }
            }
            ground.assert_untouched(&source);
        }
    }
}

/// What `printf '<%s>'` prints for a value.
fn words(value: &Value) -> Result<String, String> {
    use amflow::template::json_from_value;
    match json_from_value(value).map_err(|error| error.to_string())? {
        serde_json::Value::Array(items) if items.is_empty() => Ok("<>".to_owned()),
        serde_json::Value::Array(items) => items.iter().map(one_word).collect(),
        item => one_word(&item),
    }
}

fn one_word(item: &serde_json::Value) -> Result<String, String> {
    match item {
        serde_json::Value::String(text) => Ok(format!("<{text}>")),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Ok(format!("<{item}>")),
        other => Err(format!("{other} is not one word")),
    }
}

#[test]
fn raw_puts_in_script_and_is_seen_by_the_check_of_taint() {
    let template =
        ShellTemplate::compile("printf %s {{ alert.labels.x | raw }}", Dialect::Posix).expect("compiles");
    let mut names = Names::new();
    names.declare(["alert"], NameFacts::tainted("the alert"));
    assert_eq!(
        names.taint_of(&template.references().iter().filter(|read| read.raw).cloned().collect::<Vec<_>>()),
        Taint::Tainted { name: "alert.labels.x".to_owned() }
    );
}

#[test]
fn an_argument_is_one_argument() {
    let ground = Ground::new();
    for source in ["{{ x }}", "a={{ x }}", "--x={{ x }} {{ x }}"] {
        let template = TextTemplate::compile(source).expect(source);
        for value in hostile_values() {
            match template.render_argument(&scope(&value)) {
                Ok(argument) => {
                    assert_eq!(argument, source.replace("{{ x }}", &value));
                    let output =
                        ground.command("printf").args(["%s", argument.as_str()]).output().expect("printf");
                    assert_eq!(output.stdout, argument.as_bytes());
                }
                Err(error) => {
                    let is_too_long = source.replace("{{ x }}", &value).len() > 120 << 10;
                    assert!(is_refused_everywhere(&value) || is_too_long, "{value:?}: {error}");
                }
            }
        }
    }
    ground.assert_untouched("arguments");
}

#[test]
fn a_url_keeps_its_host_and_gives_the_value_back() {
    let path = UrlTemplate::compile("https://host.example:8443/a/{{ x }}/b?c=d#e").expect("compiles");
    let query = UrlTemplate::compile("https://host.example:8443/a?q={{ x }}&r=s").expect("compiles");
    for value in hostile_values() {
        match path.render(&scope(&value)) {
            Ok(text) => {
                let url = url::Url::parse(&text).expect("a URL");
                assert_eq!(
                    (url.scheme(), url.host_str(), url.port()),
                    ("https", Some("host.example"), Some(8443))
                );
                assert_eq!((url.username(), url.query(), url.fragment()), ("", Some("c=d"), Some("e")));
                let segments: Vec<&str> = url.path_segments().expect("a path").collect();
                assert_eq!(segments.len(), 3, "{text}");
                assert_eq!(percent_decoded(segments[1]), value.as_bytes(), "{text}");
            }
            Err(error) => assert!(["", ".", ".."].contains(&value.as_str()), "{value:?}: {error}"),
        }
        let url =
            url::Url::parse(&query.render(&scope(&value)).expect("a query takes everything")).expect("a URL");
        assert_eq!(url.host_str(), Some("host.example"));
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs, [("q".to_owned(), value.clone()), ("r".to_owned(), "s".to_owned())]);
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = tail;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes
}

#[test]
fn a_header_is_one_line_with_the_value_in_it() {
    let template = HeaderTemplate::compile("a {{ x }} b").expect("compiles");
    for value in hostile_values() {
        match template.render(&scope(&value)) {
            Ok(header) => {
                assert_eq!(header, format!("a {value} b"));
                assert!(reqwest::header::HeaderValue::from_bytes(header.as_bytes()).is_ok(), "{value:?}");
            }
            Err(error) => assert!(
                value.contains(|c: char| c.is_control() && c != '\t') || value.len() > 64 << 10,
                "{value:?}: {error}"
            ),
        }
    }
}

#[test]
fn json_holds_the_value_as_one_string() {
    let template =
        JsonTemplate::compile_value(&json!({"a": "{{ x }}", "b": ["<{{ x }}>"]})).expect("compiles");
    for value in hostile_values() {
        let rendered = template.render(&scope(&value)).expect("JSON takes everything");
        let text = serde_json::to_string(&rendered).expect("JSON");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON again");
        assert_eq!(read, json!({"a": value, "b": [format!("<{value}>")]}));
    }
}

#[test]
fn a_matcher_holds_the_value_and_nothing_more() {
    for source in ["a = \"{{ x }}\"", "a != \"{{ x }}\"", "a={{ x }}"] {
        let template = MatcherTemplate::compile(source).expect(source);
        for value in hostile_values() {
            let matcher = template.render(&scope(&value)).expect("a matcher takes everything");
            assert_eq!((matcher.name(), matcher.value()), ("a", value.as_str()), "{source}");
            let printed = matcher.to_string();
            if !value.contains(['\0', '\r', '\u{1}', '\u{1b}', '\u{7f}', '\u{feff}', '\u{202e}']) {
                let (again, _) = parse_one(&printed, MatcherSyntax::Fallback)
                    .unwrap_or_else(|error| panic!("{printed}: {error}"));
                assert_eq!(again.value(), value, "{printed}");
            }
        }
    }
    let template = MatcherTemplate::compile("a =~ \"pre-(b|{{ x }})\"").expect("compiles");
    for value in hostile_values().into_iter().filter(|value| value.len() < 1000) {
        let matcher = template.render(&scope(&value)).expect("a pattern takes every text");
        assert!(matcher.matches_value(Some(&format!("pre-{value}"))), "{value:?}");
        assert!(!matcher.matches_value(Some("pre-other")), "{value:?}");
    }
}

/// `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

fn any_script() -> impl Strategy<Value = String> {
    let fragments = || {
        prop::collection::vec(prop::sample::select(FRAGMENTS), 0..8).prop_map(|fragments| fragments.concat())
    };
    let hole = prop::sample::select(&["{{ x }}", " {{ x }} ", " {{ x | shq }}"][..]);
    (fragments(), hole, fragments()).prop_map(|(before, hole, after)| format!("{before}{hole}{after}"))
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn the_text_of_a_value_is_never_in_the_script(source in any_script(), value in "[^\0-]\\PC{6,40}") {
        for dialect in [Dialect::Posix, Dialect::Bash] {
            let Ok(template) = ShellTemplate::compile(&source, dialect) else { continue };
            prop_assume!(!source.contains(&value));
            if let Ok(ShellScript { script, variables }) = template.render(&scope(&value)) {
                prop_assert!(!script.contains(&value), "{} became {}", source, script);
                prop_assert_eq!(variables.len(), source.matches("{{").count());
            }
        }
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn no_script_that_is_taken_runs_a_value(source in any_script(), payload in prop::sample::select(PAYLOADS)) {
        for (shell, dialect) in shells() {
            let Ok(template) = ShellTemplate::compile(&source, dialect) else { continue };
            let script: Result<ShellScript, RenderError> = template.render(&scope(payload));
            let Ok(script) = script else { continue };
            let ground = Ground::new();
            ground.run_briefly(shell, &script);
            prop_assert!(!ground.directory.path().join("canary").exists(), "{} ran {} as {}", shell, source, script.script);
        }
    }
}
