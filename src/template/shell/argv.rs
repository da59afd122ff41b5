//! [`ArgvReading`]: what a command without a shell does with the values in its arguments.
//!
//! Each argument is spelled as a quoted word of a script, and that script is read as any other: one table of
//! programs, one judgement. Here no hole is refused; which values must be trusted is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::Dialect;
use super::lexer::lex;
use super::units::{Unit, units};
use crate::template::TextTemplate;
use crate::template::parsed::{Hole, Leaf};
use crate::template::problem::RenderError;
use crate::template::reference::Reference;

/// What a command without a shell does with the values in its arguments.
#[derive(Debug, Clone, Default)]
pub struct ArgvReading {
    read_as_code: Vec<ReadAsCode>,
    heads: BTreeSet<usize>,
    reads_input: bool,
    variables: BTreeMap<String, String>,
}

/// A value that the command would read as code, or as the name of the program that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAsCode {
    /// The number of the argument.
    pub argument: usize,
    /// The names that the value is made of.
    pub references: Vec<Reference>,
    /// How it is read: `` `python` reads this as code in a language of its own ``.
    pub message: String,
    /// How to write it instead.
    pub hint: String,
}

/// Commands whose reading is remembered, at most, and the longest of them in bytes.
const REMEMBERED: usize = 1_024;
const LONGEST_REMEMBERED: usize = 4 << 10;

impl ArgvReading {
    /// Reads the arguments of a command, its name the first.
    ///
    /// What a command does with its arguments depends on their text alone, and many playbooks run the same few
    /// commands: those that were read lately are not read again.
    pub fn of(arguments: &[TextTemplate]) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<String, Arc<ArgvReading>>> = Mutex::new(BTreeMap::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        // No template holds a NUL character, so that no two commands have the same key.
        let key = arguments.iter().fold(String::new(), |key, argument| key + argument.source() + "\0");
        if let Some(reading) = known().get(&key) {
            return Arc::clone(reading);
        }
        let reading = Arc::new(Self::read(arguments));
        if key.len() <= LONGEST_REMEMBERED {
            let mut known = known();
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(key, Arc::clone(&reading));
        }
        reading
    }

    fn read(arguments: &[TextTemplate]) -> Self {
        let parsed: Vec<_> = arguments.iter().map(|argument| argument.outline().parsed()).collect();
        let ways: Vec<Vec<Vec<Leaf>>> = parsed.iter().map(|parsed| parsed.ways()).collect();
        // All holes have one row of numbers; the number after them stands for what comes on standard input.
        let holes: Vec<(usize, &Hole)> = parsed
            .iter()
            .enumerate()
            .flat_map(|(argument, parsed)| parsed.holes.iter().map(move |hole| (argument, hole)))
            .collect();
        let mut first_holes = Vec::with_capacity(parsed.len());
        let mut count = 0;
        for parsed in &parsed {
            first_holes.push(count);
            count += parsed.holes.len();
        }
        let quoting = |hole: usize| holes.get(hole).map_or(0, |(_, hole)| hole.ending.shq);
        let mut reading = Self::default();
        for turn in 0..ways.iter().map(Vec::len).max().unwrap_or_default() {
            let mut script = Vec::new();
            for (argument, ways) in ways.iter().enumerate() {
                let way = ways.get(turn).or_else(|| ways.last()).map(Vec::as_slice).unwrap_or_default();
                spell(&mut script, way, arguments[argument].source(), first_holes[argument]);
            }
            script.extend(units("<<<"));
            script.push(Unit::Hole(count));
            let lexed = lex(&script, Dialect::Bash, &quoting);
            for refusal in &super::refusals(&lexed, &quoting) {
                let Some((argument, hole)) = holes.get(refusal.hole) else {
                    reading.reads_input = true;
                    continue;
                };
                reading.note(*argument, hole, &refusal.message, &refusal.hint);
            }
            let integers = lexed.integers.iter().copied().chain(lexed.flows.evaluated_holes());
            for (argument, hole) in integers.filter_map(|hole| holes.get(hole)) {
                reading.note(*argument, hole, "a shell evaluates this as arithmetic", "pass it by `env:`");
            }
            reading.variables.extend(lexed.flows.read_as_code());
            let by_variables = lexed.flows.option_holes();
            let by_variables = by_variables.iter().filter_map(|(hole, _)| holes.get(*hole));
            reading
                .heads
                .extend(by_variables.filter(|(_, hole)| !hole.ending.dash_ok).map(|(argument, _)| *argument));
            let heads = lexed.heads.iter().filter_map(|head| holes.get(*head.first()?));
            reading
                .heads
                .extend(heads.filter(|(_, hole)| !hole.ending.dash_ok).map(|(argument, _)| *argument));
        }
        reading
    }

    /// Returns the values that are read as code: strangers must not have written them.
    pub fn read_as_code(&self) -> &[ReadAsCode] {
        &self.read_as_code
    }

    /// Tells whether standard input is read as code: strangers must not have written it.
    pub fn reads_input(&self) -> bool {
        self.reads_input
    }

    /// Returns the variables of the environment that the command reads as code, and what becomes of them.
    pub fn variables_read_as_code(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, becomes)| (name.as_str(), becomes.as_str()))
    }

    /// Refuses a value at the start of an argument that would be taken for an option.
    ///
    /// # Errors
    /// The text begins with `-`, and neither does the author's text, nor stands `--` before it, nor
    /// does the hole end with `| dash_ok`.
    pub fn check_dash(&self, argument: usize, text: &str) -> Result<(), RenderError> {
        if self.heads.contains(&argument) && text.trim_start_matches('\'').starts_with('-') {
            let error = RenderError::new("value-dash", "begins with `-` and would be taken for an option");
            let hint = "write `--` before it, or `{{ ... | dash_ok }}` where the program takes it so";
            return Err(error.with_hint(hint));
        }
        Ok(())
    }

    fn note(&mut self, argument: usize, hole: &Hole, message: &str, hint: &str) {
        let found = ReadAsCode {
            argument,
            references: hole.references.clone(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        };
        let is_known =
            |known: &ReadAsCode| known.argument == argument && known.references == found.references;
        if !self.read_as_code.iter().any(is_known) {
            self.read_as_code.push(found);
        }
    }
}

/// Spells one argument as a word: in single quotes where it has characters that mean something to a shell, and
/// the first always, because a shell has words of its own there. A value between them is a part of the word.
fn spell(script: &mut Vec<Unit>, way: &[Leaf], source: &str, first_hole: usize) {
    let is_first = script.is_empty();
    if !is_first {
        script.push(Unit::Char(' '));
    }
    let is_plain = way.iter().all(|leaf| match leaf {
        Leaf::Text(range) => source[range.clone()].bytes().all(means_itself),
        Leaf::Hole(_) => true,
    });
    for leaf in way {
        match leaf {
            Leaf::Text(range) if is_plain && !is_first => script.extend(units(&source[range.clone()])),
            Leaf::Text(range) => {
                script.push(Unit::Char('\''));
                script.extend(units(&source[range.clone()].replace('\'', "'\\''")));
                script.push(Unit::Char('\''));
            }
            Leaf::Hole(hole) => script.push(Unit::Hole(first_hole + hole)),
        }
    }
    if way.is_empty() {
        script.extend(units("''"));
    }
}

/// Characters that mean nothing to a shell after the first word.
fn means_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(arguments: &[&str]) -> Arc<ArgvReading> {
        let templates: Vec<_> =
            arguments.iter().map(|text| TextTemplate::compile(text).expect(text)).collect();
        ArgvReading::of(&templates)
    }

    #[test]
    fn values_that_become_code_are_told() {
        for (arguments, code) in [
            (vec!["echo", "{{ a }}", "it's {{ a }}"], vec![]),
            (vec!["{{ a }}", "x"], vec![0]),
            (vec!["sh", "-c", "echo {{ a }}"], vec![2]),
            (vec!["sh", "-c", "echo {{ a | shq }}"], vec![]),
            (vec!["sh", "-c", "echo '{{ a | shq }}'"], vec![2]),
            (vec!["/bin/bash", "-euo", "pipefail", "-lc", "echo \"$1\"", "name", "{{ a }}"], vec![]),
            (vec!["python3.11", "-c", "print({{ a | shq }})"], vec![2]),
            (vec!["ssh", "--", "{{ a }}", "df", "{{ a | shq }}"], vec![]),
            (vec!["ssh", "--", "{{ a }}", "df", "{{ a }}"], vec![4]),
            (vec!["sudo", "-u", "postgres", "psql", "-c", "select {{ a }}"], vec![5]),
            (vec!["kubectl", "exec", "pod", "--", "sh", "-c", "echo {{ a }}"], vec![6]),
            (vec!["kubectl", "-n", "{{ a }}", "delete", "pod", "{{ a }}"], vec![]),
            (vec!["awk", "-F", ":", "{{ a }}", "file"], vec![3]),
            (vec!["{% if a %}sh{% else %}true{% endif %}", "-c", "{{ a }}"], vec![2]),
        ] {
            let found: Vec<usize> =
                reading(&arguments).read_as_code().iter().map(|read| read.argument).collect();
            assert_eq!(found, code, "{arguments:?}");
        }
    }

    #[test]
    fn a_command_is_read_once_however_many_are_read_in_between() {
        let first = reading(&["sh", "-c", "echo {{ once }}"]);
        assert!(Arc::ptr_eq(&first, &reading(&["sh", "-c", "echo {{ once }}"])));
        // The same characters, cut into other arguments, are another command.
        assert!(reading(&["sh", "-c echo {{ once }}"]).read_as_code() != first.read_as_code());
        for number in 0..=REMEMBERED {
            assert!(reading(&["echo", &number.to_string(), "{{ a }}"]).read_as_code().is_empty());
        }
        assert_eq!(reading(&["sh", "-c", "echo {{ once }}"]).read_as_code(), first.read_as_code());
    }

    #[test]
    fn programs_that_read_their_input_as_code_are_told() {
        for (arguments, reads) in [
            (vec!["psql"], true),
            (vec!["sudo", "sh"], true),
            (vec!["ssh", "host"], true),
            (vec!["sh", "-c", "cat"], false),
            (vec!["sort"], false),
            (vec!["tee", "{{ a }}"], false),
        ] {
            assert_eq!(reading(&arguments).reads_input(), reads, "{arguments:?}");
        }
    }

    #[test]
    fn a_value_at_the_start_of_an_argument_is_no_option() {
        let reading =
            reading(&["ls", "{{ a }}", "-{{ a }}", "{{ a | dash_ok }}", "x{{ a }}", "--", "{{ a }}"]);
        let refused: Vec<usize> = (0..7).filter(|at| reading.check_dash(*at, "-rf").is_err()).collect();
        assert_eq!(refused, [1]);
        assert!(reading.check_dash(1, "rf-").is_ok());
    }
}
