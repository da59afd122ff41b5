//! Program texts that run commands themselves: `awk '{ system($1) }'`, `sed 's/a/b/e'`, `python -c 'os.system(...)'`.
//!
//! What such a text is given, it may run: which of it is not followed here.

use super::programs::Program;

/// Names by which a program text runs commands or reads text as code.
const RUNNING: &[&str] = &[
    "Function",
    "__import__",
    "child_process",
    "eval",
    "exec",
    "execFile",
    "execFileSync",
    "execSync",
    "execl",
    "execlp",
    "execv",
    "execve",
    "execvp",
    "fork",
    "loadstring",
    "passthru",
    "pcntl_exec",
    "pickle",
    "popen",
    "popen2",
    "popen3",
    "proc_open",
    "pty",
    "qx",
    "shell_exec",
    "spawn",
    "spawnSync",
    "subprocess",
    "system",
    "unserialize",
];

/// Tells whether a program text in the language of this program runs commands.
pub(super) fn spawns(program: &Program, text: &str) -> bool {
    match program.first_name() {
        "awk" => {
            let code = without_texts(text);
            has_word(&code, &["system"]) || has_pipe(&code)
        }
        "sed" => sed_runs(text),
        "jq" | "crontab" => false,
        "perl" | "ruby" => {
            has_word(text, RUNNING) || has_word(text, &["open"]) || text.contains("%x") || text.contains('`')
        }
        "php" => has_word(text, RUNNING) || text.contains('`'),
        "lua" => has_word(text, RUNNING) || has_word(text, &["dofile", "execute", "load"]),
        _ => has_word(text, RUNNING),
    }
}

/// Tells whether perl opens its operands itself, by `-n`, `-p` or `<>`: it runs those that end with `|`.
pub(super) fn opens_operands(option: &str, text: &str) -> bool {
    let is_option = option.starts_with('-') && !option.starts_with("--");
    // What follows the code's letter or a value is no letter.
    let letters = option.split(['e', 'E', 'I', 'M', 'm', 'i']).next().unwrap_or_default();
    (is_option && letters.contains(['n', 'p']))
        || text.contains("<ARGV>")
        || text.replace("<<>>", "").contains("<>")
}

fn has_word(text: &str, words: &[&str]) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| words.contains(&word))
}

/// A `|` that is no `||`.
fn has_pipe(code: &str) -> bool {
    code.replace("||", "").contains('|')
}

/// A program of awk without its strings, patterns and comments.
fn without_texts(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let begins_pattern = character == '/'
            && code.trim_end().chars().last().is_none_or(|last| "({,;~!&|\n}=".contains(last));
        if character == '"' || begins_pattern {
            while let Some(inner) = rest.next() {
                if inner == '\\' {
                    rest.next();
                } else if inner == character {
                    break;
                }
            }
            code.push_str(" _ ");
        } else if character == '#' {
            while rest.next().is_some_and(|inner| inner != '\n') {}
            code.push('\n');
        } else {
            code.push(character);
        }
    }
    code
}

/// Tells whether a script of sed runs something: its command `e`, or `e` behind `s///`.
fn sed_runs(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        match characters[at] {
            '/' => at = behind(&characters, at + 1, '/'),
            '\\' => {
                let Some(delimiter) = characters.get(at + 1) else { return false };
                at = behind(&characters, at + 2, *delimiter);
            }
            'e' => return true,
            command @ ('s' | 'y') => {
                let Some(delimiter) = characters.get(at + 1) else { return false };
                let middle = behind(&characters, at + 2, *delimiter);
                at = behind(&characters, middle, *delimiter);
                while let Some(flag) = characters.get(at).filter(|c| c.is_ascii_alphanumeric()) {
                    if *flag == 'w' {
                        at = behind(&characters, at, '\n');
                        break;
                    }
                    if *flag == 'e' && command == 's' {
                        return true;
                    }
                    at += 1;
                }
            }
            // Comments, text, names of files and labels go on to the end of the line.
            '#' | 'a' | 'i' | 'c' | 'r' | 'R' | 'w' | 'W' | ':' => at = behind(&characters, at, '\n'),
            'b' | 't' | 'T' => {
                while characters.get(at).is_some_and(|c| !matches!(c, ';' | '\n' | '}')) {
                    at += 1;
                }
            }
            // Addresses, and commands of one letter.
            _ => at += 1,
        }
    }
    false
}

/// The place behind the next character of this kind that no backslash hides.
fn behind(characters: &[char], from: usize, delimiter: char) -> usize {
    let mut at = from;
    while let Some(character) = characters.get(at) {
        at += 1;
        if *character == '\\' && delimiter != '\n' {
            at += 1;
        } else if *character == delimiter {
            return at;
        }
    }
    characters.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shell::programs::program_named;

    #[test]
    fn program_texts_that_run_commands_are_told() {
        for (program, text, expected) in [
            ("awk", "{ print $1 \"|\" $2 }", false),
            ("awk", "/a|b/ || $2 ~ /c|d/ { print }", false),
            ("awk", "{ while ((getline line < \"f\") > 0) n++ }", false),
            ("awk", "{ print \"system(1)\" } # system", false),
            ("awk", "$2 / 2 > 1 { print | \"sort\" }", true),
            ("awk", "{ system ($1) }", true),
            ("gawk", "{ $1 | getline a }", true),
            ("sed", "s/e/e/g; /e/d; $!N; y/e/f/", false),
            ("sed", "1,/end/{p;d}; s|a|e|w e", false),
            ("sed", "s,a\\,e,b,gI;bend;:end", false),
            ("sed", "a even\\\nmore", false),
            ("sed", "s/a/b/ge", true),
            ("sed", "/x/ e", true),
            ("sed", "2{e date\n}", true),
            ("jq", ".system", false),
            ("python3", "import json,sys; print(json.load(sys.stdin)[\"systemd\"])", false),
            ("python3", "import os; os.system(\"ls\")", true),
            ("perl", "s/a/b/ if /open_files/", false),
            ("perl", "open(F, shift)", true),
            ("ruby", "puts %x(ls)", true),
            ("node", "console.log(`a`)", false),
        ] {
            let program = program_named(program).expect(program);
            assert_eq!(spawns(program, text), expected, "{text}");
        }
        assert!(opens_operands("-ne", "") && opens_operands("-lpi.bak", "") && opens_operands("", "<>"));
        assert!(!opens_operands("-e", "") && !opens_operands("-Mopen", "") && !opens_operands("", "<<>>"));
    }
}
