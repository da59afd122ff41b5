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

/// What a stranger may write into a label, most of it an attempt to create the file `canary`.
fn hostile_values() -> Vec<String> {
    let mut values: Vec<String> = [
        "plain",
        "",
        " ",
        "two words",
        "  spaces around  ",
        "$(touch canary)",
        "`touch canary`",
        "; touch canary",
        "& touch canary &",
        "| touch canary",
        "&& touch canary",
        "|| touch canary",
        "\ntouch canary\n",
        "a\nb",
        "trailing newline\n",
        "\n",
        "\r\ntouch canary\r\n",
        "\r",
        "\ttab",
        "'; touch canary; '",
        "\"; touch canary; \"",
        "'\"'\"'; touch canary; '",
        "\\'; touch canary; \\'",
        "\\\"; touch canary; \\\"",
        "'$(touch canary)'",
        "\"$(touch canary)\"",
        "${IFS}touch${IFS}canary",
        "$IFS",
        "${x}",
        "$x",
        "$1 $@ $* $# $?",
        "${x:=$(touch canary)}",
        "${x@P}",
        "$((1+a[$(touch canary)]))",
        "a[$(touch canary)]",
        "x[`touch canary`]",
        "!history !! !touch",
        "$'\\n'touch canary",
        "\\$(touch canary)",
        "\\`touch canary\\`",
        "^a^touch canary",
        "$'\\x24(touch canary)'",
        "\n\t ",
        "-n",
        "\\c",
        "=touch",
        "%",
        "{{ 7 * 7 }}",
        "{% for i in range(9) %}{{ i }}{% endfor %}",
        "{# comment #}",
        "%s%n%x %d",
        "%0a%00%2e%2e%2f",
        "-rf",
        "--",
        "-",
        "-e touch canary",
        "--option=value",
        "-oProxyCommand=touch canary",
        "*",
        "?",
        "[a-z]*",
        "{a,b}",
        "~",
        "~root",
        "../../etc/passwd",
        "..",
        ".",
        "/",
        "#",
        "# touch canary",
        "\\",
        "\\\\",
        "\\n",
        "\\0",
        "trailing backslash\\",
        "EOF",
        "EOF\ntouch canary\ncat <<EOF",
        ") touch canary (",
        "}; touch canary; {",
        ";; esac; touch canary",
        "]]; touch canary",
        "fi; touch canary",
        "done\ntouch canary",
        "<(touch canary)",
        ">canary",
        "<<<x >canary",
        "a=b",
        "PATH=/tmp",
        "AMFLOW_V0",
        "${AMFLOW_V0}",
        "$AMFLOW_V1",
        "() { :; }; touch canary",
        "http://evil/",
        "@evil/",
        "?a=b&c=d#e",
        "\"} , b=\"c",
        ".*",
        "(?i)a|b",
        "[",
        "(",
        "\",\"admin\":true,\"x\":\"",
        "null",
        "1e999",
        "ünïcödé ☃ 𝄞",
        "\u{202e}right to left",
        "\u{feff}mark",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{7f}",
        "\u{1}\u{2}",
        "nul\0nul",
        "\0",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    values.push("y".repeat(100 << 10));
    values.push("$(touch canary)".repeat(6000));
    values.push("z".repeat(130 << 10));
    values
}

/// A place in a shell script: the script, and what stands around the value in what it prints.
struct Place {
    name: &'static str,
    script: &'static str,
    before: &'static str,
    after: &'static str,
    /// Whether a command substitution takes newlines at the end away.
    strips: bool,
    /// Whether a value that begins with `-` must be refused.
    refuses_dash: bool,
    bash_only: bool,
}

const PLACE: Place = Place {
    name: "",
    script: "",
    before: "",
    after: "",
    strips: false,
    refuses_dash: false,
    bash_only: false,
};

#[rustfmt::skip]
fn places() -> Vec<Place> {
    vec![
        Place { name: "bare", script: "printf '%s' {{ x }}", ..PLACE },
        Place { name: "bare, after text", script: "printf '%s' a{{ x }}", before: "a", ..PLACE },
        Place { name: "bare, before text", script: "printf '%s' {{ x }}b", after: "b", ..PLACE },
        Place { name: "bare, before letters of a name", script: "printf '%s' {{ x }}AMFLOW_V9", after: "AMFLOW_V9", ..PLACE },
        Place { name: "double quotes", script: "printf '%s' \"a {{ x }} b\"", before: "a ", after: " b", ..PLACE },
        Place { name: "double quotes alone", script: "printf '%s' \"{{ x }}\"", ..PLACE },
        Place { name: "double quotes, after an escaped quote", script: "printf '%s' \"\\\"{{ x }}\\\"\"", before: "\"", after: "\"", ..PLACE },
        Place { name: "double quotes, after an escaped backslash", script: "printf '%s' \"\\\\{{ x }}\"", before: "\\", ..PLACE },
        Place { name: "single quotes", script: "printf '%s' 'a {{ x }} b'", before: "a ", after: " b", ..PLACE },
        Place { name: "single quotes alone", script: "printf '%s' '{{ x }}'", ..PLACE },
        Place { name: "single quotes after a backslash", script: "printf '%s' '\\{{ x }}'", before: "\\", ..PLACE },
        Place { name: "between quotes of both kinds", script: "printf '%s' 'a'\"b\"{{ x }}'c'", before: "ab", after: "c", ..PLACE },
        Place { name: "after an escaped quote", script: "printf '%s' \\'{{ x }}\\\"", before: "'", after: "\"", ..PLACE },
        Place { name: "assignment", script: "v={{ x }}; printf '%s' \"$v\"", ..PLACE },
        Place { name: "assignment in double quotes", script: "v=\"{{ x }}\"; printf '%s' \"$v\"", ..PLACE },
        Place { name: "assignment before a command", script: "V={{ x }} sh -c 'printf \"%s\" \"$V\"'", ..PLACE },
        Place { name: "export", script: "export V={{ x }}; sh -c 'printf \"%s\" \"$V\"'", ..PLACE },
        Place { name: "default of an unset variable, by assignment", script: "d={{ x }}; printf '%s' \"${nosuch:-$d}\"", ..PLACE },
        Place { name: "here-document", script: "cat <<EOF\n{{ x }}\nEOF\n", after: "\n", ..PLACE },
        Place { name: "here-document in quotes that are none", script: "cat <<EOF\n'{{ x }}' \"\nEOF\n", before: "'", after: "' \"\n", ..PLACE },
        Place { name: "here-document with tabs", script: "cat <<-EOF\n\ta {{ x }} b\n\tEOF\n", before: "a ", after: " b\n", ..PLACE },
        Place { name: "second here-document", script: "cat <<A - 3<<B <&3\nnot this\nA\n{{ x }}\nB\n", after: "\n", ..PLACE },
        Place { name: "after a here-document", script: "cat >/dev/null <<EOF\nit's\nEOF\nprintf '%s' '{{ x }}'", ..PLACE },
        Place { name: "substitution", script: "v=$(printf '%s' {{ x }}); printf '%s' \"$v\"", strips: true, ..PLACE },
        Place { name: "substitution in double quotes", script: "printf '%s' \"$(printf '%s' \"{{ x }}\")\"", strips: true, ..PLACE },
        Place { name: "substitution with single quotes in double quotes", script: "printf '%s' \"$(printf '%s' '{{ x }}')\"", strips: true, ..PLACE },
        Place { name: "nested substitution", script: "printf '%s' \"$(printf '%s' \"$(printf '%s' {{ x }})\")\"", strips: true, ..PLACE },
        Place { name: "substitution in a here-document", script: "cat <<EOF\n$(printf '%s' '{{ x }}')\nEOF\n", after: "\n", strips: true, ..PLACE },
        Place { name: "subject of case", script: "case {{ x }} in nosuch) ;; *) printf '%s' \"{{ x }}\" ;; esac", ..PLACE },
        Place { name: "pattern of case", script: "v={{ x }}; case \"$v\" in {{ x }}) printf '%s' {{ x }} ;; *) printf wrong ;; esac", ..PLACE },
        Place { name: "case inside a substitution", script: "printf '%s' \"$(case a in a) printf '%s' {{ x }} ;; esac)\"", strips: true, ..PLACE },
        Place { name: "item of for", script: "for v in {{ x }}; do printf '%s' \"$v\"; done", refuses_dash: true, ..PLACE },
        Place { name: "argument of a function", script: "f() { printf '%s' \"$1\"; }; f -- {{ x }} | grep -q nosuch || f \"{{ x | dash_ok }}\"", ..PLACE },
        Place { name: "positional parameters", script: "set -- {{ x }}; printf '%s' \"$1\"", ..PLACE },
        Place { name: "test", script: "if [ a{{ x }} = a\"{{ x }}\" ]; then printf '%s' {{ x }}; fi", ..PLACE },
        Place { name: "after a comment with quotes", script: "# it's \" {{ x }} $(\nprintf '%s' {{ x }}", ..PLACE },
        Place { name: "comment at the end of a line", script: "printf '%s' {{ x }} # it's {{ x }}\n", ..PLACE },
        Place { name: "pipe", script: "printf '%s' {{ x }} | cat", ..PLACE },
        Place { name: "group", script: "{ printf '%s' {{ x }}; } | (cat)", ..PLACE },
        Place { name: "subshell", script: "(printf '%s' {{ x }})", ..PLACE },
        Place { name: "after &&", script: "true && printf '%s' {{ x }}", ..PLACE },
        Place { name: "if", script: "if true; then printf '%s' {{ x }}; else printf '%s' {{ x }}; fi", ..PLACE },
        Place { name: "while", script: "i=0; while [ $i -lt 1 ]; do printf '%s' \"{{ x }}\"; i=$((i + 1)); done", ..PLACE },
        Place { name: "continued line", script: "printf '%s' \\\n{{ x }}", ..PLACE },
        Place { name: "argument of another shell", script: "sh -c 'printf \"%s\" \"$1\"' sh -- {{ x }} >/dev/null; sh -c 'printf \"%s\" \"$1\"' sh \"{{ x }}\"", refuses_dash: true, ..PLACE },
        Place { name: "code of another shell, quoted", script: "sh -c \"printf '%s' {{ x | shq }}\"", ..PLACE },
        Place { name: "code of another shell in single quotes", script: "sh -c 'printf \"%s\" a{{ x | shq }}'", before: "a", ..PLACE },
        Place { name: "eval, quoted", script: "eval \"printf '%s' {{ x | shq }}\"", ..PLACE },
        Place { name: "ssh, quoted", script: "ssh -- host printf %s {{ x | shq | dash_ok }}", ..PLACE },
        Place { name: "ssh, quoted, in one word", script: "ssh -- host 'printf %s {{ x | shq }}'", ..PLACE },
        Place { name: "ssh and another shell, quoted twice", script: "ssh -- host sh -c \"'printf %s '{{ x | shq | shq }}\"", ..PLACE },
        Place { name: "a list", script: "printf '%s' {{ [x, 'b'] }}", after: "b", ..PLACE },
        Place { name: "a loop of the template", script: "{% for i in [x, 'b'] %}printf '%s' \"{{ i }}\";{% endfor %}", after: "b", ..PLACE },
        Place { name: "a name of the template", script: "{% set y = x %}printf '%s' {{ y }}", ..PLACE },
        Place { name: "a joined text", script: "printf '%s' {{ 'a' ~ x ~ 'b' }}", before: "a", after: "b", ..PLACE },
        Place { name: "body of a function", script: "f() { printf '%s' {{ x }}; }; f", ..PLACE },
        Place { name: "body of a function that prints elsewhere", script: "f() { printf '%s' \"$1\"; }; v=$(f {{ x }}); printf '%s' \"$v\"", strips: true, refuses_dash: true, ..PLACE },
        Place { name: "before redirections", script: "printf '%s' {{ x }} 2>&1 3>/dev/null", ..PLACE },
        Place { name: "after redirections", script: ">&2 2>/dev/null true; 3>/dev/null printf '%s' {{ x }}", ..PLACE },
        Place { name: "through tee", script: "printf '%s' {{ x }} | tee /dev/null", ..PLACE },
        Place { name: "text beside an expansion", script: "v=a; v=\"$v\"{{ x }}; printf '%s' \"$v\"", before: "a", ..PLACE },
        Place { name: "xargs and another shell", script: "printf '%s\\0' {{ x }} | xargs -0 sh -c 'printf \"%s\" \"$1\"' sh", ..PLACE },
        Place { name: "find and another shell", script: "find . -maxdepth 0 -exec sh -c 'printf \"%s\" \"$1\"' sh {{ x }} \\;", refuses_dash: true, ..PLACE },
        Place { name: "another shell by a variable", script: "export V={{ x }}; sh -c 'printf \"%s\" \"$V\"'", ..PLACE },
        Place { name: "ssh, assigned there", script: "ssh -- host 'v={{ x | shq }}; printf %s \"$v\"'", ..PLACE },
        Place { name: "perl by an argument", script: "perl -e 'print $ARGV[0]' -- {{ x }}", ..PLACE },
        Place { name: "awk by an argument", script: "awk 'BEGIN { printf \"%s\", ARGV[1] }' {{ x }}", refuses_dash: true, ..PLACE },
        Place { name: "append", script: "v=a; v+={{ x }}; printf '%s' \"$v\"", before: "a", bash_only: true, ..PLACE },
        Place { name: "all items of an array", script: "a=({{ x }}); printf '%s' \"${a[@]}\"", bash_only: true, ..PLACE },
        Place { name: "a literal pattern", script: "[[ a{{ x }} == *{{ x }} ]] && printf '%s' {{ x }}", bash_only: true, ..PLACE },
        Place { name: "awk by ENVIRON", script: "V={{ x }} awk 'BEGIN { printf \"%s\", ENVIRON[\"V\"] }'", ..PLACE },
        Place { name: "xargs with NUL", script: "printf '%s\\0' {{ x }} | xargs -0 -I@ printf '%s' @", ..PLACE },
        Place { name: "dollar quotes", script: "printf '%s' $'a\\'{{ x }}'", before: "a'", bash_only: true, ..PLACE },
        Place { name: "here-string", script: "cat <<< {{ x }}", after: "\n", bash_only: true, ..PLACE },
        Place { name: "here-string in quotes", script: "cat <<< \"{{ x }}\"", after: "\n", bash_only: true, ..PLACE },
        Place { name: "double brackets", script: "[[ {{ x }} == \"{{ x }}\" && a{{ x }} == a{{ x }} ]] && printf '%s' {{ x }}", bash_only: true, ..PLACE },
        Place { name: "array", script: "a=({{ x }} b); printf '%s' \"${a[0]}\"", bash_only: true, ..PLACE },
        Place { name: "process substitution", script: "cat <(printf '%s' {{ x }})", bash_only: true, ..PLACE },
        Place { name: "braces", script: "printf '%s' {a,{{ x }}}", before: "a", bash_only: true, ..PLACE },
        Place { name: "local variable", script: "f() { local v={{ x }}; printf '%s' \"$v\"; }; f", bash_only: true, ..PLACE },
    ]
}

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

/// Pieces of scripts, put together at random: right and wrong shell alike.
const FRAGMENTS: &[&str] = &[
    "{{ x }}",
    "{{ x }}",
    "{{ x }}",
    "{{ x }}",
    " {{ x }} ",
    "{{ x | shq }}",
    "printf '%s' ",
    "echo ",
    "cat ",
    "a",
    "a=",
    "$a",
    "\"$a\"",
    " ",
    "\n",
    "; ",
    "'",
    "\"",
    "\\",
    "`",
    "$",
    "$(",
    ")",
    "(",
    "$((",
    "))",
    "((",
    "${a:-",
    "${a[",
    "]",
    "}",
    "{ ",
    "; }",
    "#",
    "# ",
    "<<E\n",
    "\nE\n",
    "<<'E'\n",
    "<<-E\n",
    "<<<",
    " | ",
    " && ",
    " || ",
    "&",
    "case a in a) ",
    ";; esac",
    ";;",
    "esac",
    "if true; then ",
    "; fi",
    "for a in ",
    "; do ",
    "; done",
    "[[ ",
    " ]]",
    " -eq 1",
    "[ ",
    " ]",
    "eval ",
    "sh -c ",
    "bash -c ",
    "sh ",
    "let ",
    "read a ",
    "unset ",
    "declare -i ",
    "export ",
    "local ",
    "f() { ",
    "f ",
    "$1",
    "set -- ",
    "test -v ",
    "!",
    "~",
    "*",
    "=",
    "+=",
    "@(",
    "$'",
    "$\"",
    "time ",
    "env ",
    "exec ",
    "trap ",
    "function g ",
    "-",
    "--",
    "1",
    "{",
    "AMFLOW_V0",
    "${AMFLOW_V0}",
    "${!a}",
    "let a=",
    "xargs ",
    "printf -v ",
    "return ",
    "a[",
    ">&",
    "<&",
    "2>",
    "> f",
    "< f",
    "cat f",
    "sh f",
    ". ./f",
    "| tee f",
    "| sh",
    "| read a",
    "< <(",
    "$_",
    "$0",
    "$@",
    "xargs -0 sh -c ",
    "xargs -I@ sh -c 'echo @'",
    "printf '%s\\0' ",
    "find . -maxdepth 0 -exec ",
    " {} \\;",
    "printf -v a %s ",
    "shift",
    "source ",
    "/dev/stdin",
    "bash -s ",
    "awk ",
    "sed ",
    "xargs -0 -I@ sh -c 'echo @' ",
    "2>/dev/null ",
    "{fd}>/dev/null ",
    "<(",
    "coproc ",
    "f() { \"$@\"; }; ",
    "\"$@\"",
    "a=sh; $a -c ",
    "o=-c; ",
    "sh $o ",
    "timeout -v 5 ",
    "sudo ",
    "-c ",
    "echo $((a))",
    "`echo \"$a\"`",
    "alias ls=eval\n",
    "ls ",
    "f() { eval \"$1\"; }; ",
    "a=f; ",
    "while read -r a; do sh -c \"$a\"; done ",
    "${a:0:1}",
    "n=a; ",
    "$((n))",
    "nice -n 5 ",
    "env - ",
    "env -v A=1 ",
    "env -S ",
    "timeout --signal=KILL 5 ",
    "setsid ",
    "stdbuf -oL ",
    "flock f -c ",
    "b=a; ",
    "shift; ",
    "set -- sh -c ",
    "sh -c 'exec \"$@\"' x ",
    "sh -c '\"$0\" \"$@\"' ",
    "for c in echo eval; do ",
    "$c ",
    "perl -ne 1 ",
    "awk 'BEGIN { system(ARGV[1]) }' ",
    "sed s/a/b/e ",
    "split --filter=",
    "tar -cI ",
    "find . -exec sh -c ",
    "read -r a <<< ",
    "mapfile -t a < <(",
    "${a[0]}",
    "${a@P}",
    "[[ a -eq 1 ]]",
    "let n=a",
    "a+=",
    "b=$a; ",
    "eval \"$b\"",
    "local -n r=a; ",
    "declare -n r=",
    "printf -v b %s \"$a\"; ",
    "source /dev/stdin <<< ",
    "trap \"$a\" EXIT",
    "exec 3<<< ",
    "sh <&3",
    "2>&1 ",
    ">(sh)",
    "| (sh)",
    "| { sh; }",
    "| while read -r a; do $a; done",
    "IFS=x ",
    "; wait; ",
];

/// Values that create a file as soon as any shell reads them as script, or evaluates them.
const PAYLOADS: &[&str] = &[
    "$(>canary)",
    "`>canary`",
    ";>canary;",
    "\n>canary\n",
    "';>canary;'",
    "\";>canary;\"",
    ")>canary(",
    "a[$(>canary)]",
    "PATH[$(>canary)]",
    "|>canary",
    "&&>canary",
    "}\n>canary\n{",
    "E\n>canary\n",
    "${a:=$(>canary)}",
    ";;esac;>canary;",
    "x];>canary",
    "))>canary;((",
    "'$(>canary)'",
    "\\\";>canary;\\\"",
];

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
