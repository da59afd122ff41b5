//! Regular expressions: what is accepted also compiles, and small ones match what a slow reference says.

use std::path::Path;

use amflow::model::{Pattern, RegexError};

use super::input::{Choices, SEPARATOR, input};

const WRITTEN: &[&str] = &[
    "a|b",
    "(warning|critical)",
    "/|/var.*",
    "web-[0-9]+\\.example\\.com",
    "(?i)disk(full)?",
    "(?P<name>a)(?:b){2,3}",
    "[^a-c\\d\\s]+?",
    "\\pL\\p{Greek}\\PN",
    "[[:alpha:][:^digit:]]",
    "\\Qa.b\\E*",
    "\\x41\\x{263A}\\101\\a\\f\\t\\n\\r\\v",
    "^\\bA\\B$\\z",
    "(?s-i:.)(?U)a*?",
    "((a*)*)*",
    "a{1000}",
    "(a{30}){30}",
    "a**",
    "[z-a]",
    "(",
    "\\8",
];

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = WRITTEN.iter().map(|text| input(&[text, "ab"])).collect();
    seeds.extend(
        (0..=255_u8).step_by(3).map(|byte| vec![SEPARATOR, byte, byte / 3, byte / 5, 7, 11, byte / 2]),
    );
    seeds
}

/// The input is a pattern and a text; one that begins with a separator is choices, of which a pattern is built.
pub(crate) fn check(data: &[u8]) {
    if let [SEPARATOR, choices @ ..] = data {
        return matches_as_the_reference(choices);
    }
    let texts = super::input::texts(data);
    let text = texts.get(1).map(String::as_str).unwrap_or_default();
    match Pattern::new(&texts[0]) {
        Ok(pattern) => {
            assert_eq!(pattern.source(), texts[0]);
            assert_eq!(pattern.matches_empty(), pattern.is_match(""), "{pattern:?}");
            let is_match = pattern.is_match(text);
            // The same pattern, written so that it is no list of plain texts.
            if is_whole(&texts[0]) {
                let group = format!("(?:{})", texts[0]);
                let again = Pattern::new(&group).unwrap_or_else(|error| panic!("{group}: {error}"));
                assert_eq!(again.is_match(text), is_match, "{pattern:?} of {text:?}");
            }
            if let Some(plain) = pattern.plain_texts() {
                assert_eq!(is_match, plain.iter().any(|plain| plain == text));
            }
        }
        Err(RegexError::Unsupported(part)) => {
            panic!("{:?} became {part:?}, which does not compile", texts[0])
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Returns whether a pattern is one by itself: what closes the group that Alertmanager puts around it, or quotes its
/// end, is one only there.
fn is_whole(pattern: &str) -> bool {
    let mut open = 0_i32;
    let closes = |c: char| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open < 0
    };
    !pattern.contains("\\Q") && !pattern.chars().any(closes)
}

/// A regular expression of which all is known.
enum Tree {
    Nothing,
    Letter(char),
    Any,
    Class(Vec<char>, bool),
    Then(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Times(Box<Tree>, usize, Option<usize>),
}

const LETTERS: [char; 4] = ['a', 'b', 'ü', '\n'];

impl Tree {
    fn of(choices: &mut Choices<'_>, depth: usize) -> Self {
        let inner = |choices: &mut Choices<'_>| Box::new(Self::of(choices, depth.saturating_sub(1)));
        match choices.below(if depth == 0 { 4 } else { 9 }) {
            0 => Self::Nothing,
            1 => Self::Letter(LETTERS[choices.below(4)]),
            2 => Self::Any,
            3 => {
                let letters = (0..=choices.below(3)).map(|_| LETTERS[choices.below(4)]).collect();
                Self::Class(letters, choices.below(2) == 1)
            }
            4 | 5 => Self::Then(inner(choices), inner(choices)),
            6 => Self::Or(inner(choices), inner(choices)),
            _ => {
                let least = choices.below(3);
                let most = [Some(least), Some(least + choices.below(2)), None][choices.below(3)];
                Self::Times(inner(choices), least, most)
            }
        }
    }

    /// Writes it in Go's syntax.
    fn written(&self) -> String {
        match self {
            Self::Nothing => "(?:)".to_owned(),
            Self::Letter('\n') => "\\n".to_owned(),
            Self::Letter(letter) => letter.to_string(),
            Self::Any => ".".to_owned(),
            Self::Class(letters, negated) => {
                let letters: String = letters.iter().collect();
                format!("[{}{letters}]", if *negated { "^" } else { "" })
            }
            Self::Then(first, second) => format!("{}{}", first.grouped(), second.grouped()),
            Self::Or(first, second) => format!("{}|{}", first.written(), second.written()),
            Self::Times(inner, least, most) => {
                let inner = inner.grouped();
                match (least, most) {
                    (0, None) => format!("{inner}*"),
                    (1, None) => format!("{inner}+?"),
                    (0, Some(1)) => format!("{inner}?"),
                    (least, None) => format!("{inner}{{{least},}}"),
                    (least, Some(most)) if least == most => format!("{inner}{{{least}}}"),
                    (least, Some(most)) => format!("{inner}{{{least},{most}}}"),
                }
            }
        }
    }

    fn grouped(&self) -> String {
        match self {
            Self::Then(..) | Self::Or(..) | Self::Times(..) => format!("({})", self.written()),
            _ => self.written(),
        }
    }

    /// Returns the places in which a match that begins at one of these ends.
    fn ends(&self, text: &[char], starts: &[bool]) -> Vec<bool> {
        let one = |fits: &dyn Fn(char) -> bool| {
            let mut ends = vec![false; starts.len()];
            for (at, letter) in text.iter().enumerate() {
                ends[at + 1] = starts[at] && fits(*letter);
            }
            ends
        };
        match self {
            Self::Nothing => starts.to_vec(),
            Self::Letter(letter) => one(&|found| found == *letter),
            // Go's dot is no line break.
            Self::Any => one(&|found| found != '\n'),
            Self::Class(letters, negated) => one(&|found| letters.contains(&found) != *negated),
            Self::Then(first, second) => second.ends(text, &first.ends(text, starts)),
            Self::Or(first, second) => both(&first.ends(text, starts), &second.ends(text, starts)),
            Self::Times(inner, least, most) => {
                let mut at = (0..*least).fold(starts.to_vec(), |at, _| inner.ends(text, &at));
                let mut ends = at.clone();
                // After as many turns as there are letters nothing new comes.
                for _ in 0..most.map_or(text.len(), |most| most - least) {
                    at = inner.ends(text, &at);
                    ends = both(&ends, &at);
                }
                ends
            }
        }
    }
}

fn both(one: &[bool], other: &[bool]) -> Vec<bool> {
    one.iter().zip(other).map(|(one, other)| *one || *other).collect()
}

fn matches_as_the_reference(choices: &[u8]) {
    let mut choices = Choices::of(choices);
    let tree = Tree::of(&mut choices, 4);
    let written = tree.written();
    let pattern = match Pattern::new(&written) {
        Ok(pattern) => pattern,
        // Nested counts may be beyond Go's limit.
        Err(error) => panic!("{written}: {error}"),
    };
    for _ in 0..4 {
        let text: Vec<char> = (0..choices.below(7)).map(|_| LETTERS[choices.below(4)]).collect();
        let mut starts = vec![false; text.len() + 1];
        starts[0] = true;
        let expected = tree.ends(&text, &starts)[text.len()];
        let text: String = text.iter().collect();
        assert_eq!(pattern.is_match(&text), expected, "{written} of {text:?}");
    }
}
