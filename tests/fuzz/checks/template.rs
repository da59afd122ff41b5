//! What the templates of all languages have in common.

use amflow::template::{Problem, RenderError, Scope, Value};
use regex_syntax::ast::{self, Ast, ClassSetItem, Flags, FlagsItemKind, GroupKind};

use super::hostile::hostile_values;
use super::input::{input, texts};

/// The hole in which the value stands; a template without other holes or statements is *plain*.
const HOLE: &str = "{{ x }}";
/// A value that has nothing special about it in any language.
pub(crate) const WORD: &str = "zqwordqz";

/// A value and a template: the parts of an input.
pub(crate) struct Case {
    pub(crate) value: String,
    pub(crate) source: String,
}

impl Case {
    pub(crate) fn of(data: &[u8]) -> Self {
        let mut texts = texts(data).into_iter();
        Self { value: texts.next().unwrap_or_default(), source: texts.next().unwrap_or_default() }
    }

    pub(crate) fn is_plain(&self) -> bool {
        is_plain(&self.source)
    }

    /// Returns the template with a text instead of its holes.
    pub(crate) fn with(&self, text: &str) -> String {
        self.source.replace(HOLE, text)
    }

    pub(crate) fn scope(&self) -> Scope {
        scope(&self.value)
    }

    /// Sees that each problem has words and a place.
    pub(crate) fn are_in(&self, problems: &[Problem]) {
        assert!(!problems.is_empty());
        problems.iter().for_each(|problem| is_in(problem, &self.source));
    }

    /// Sees that an error has words, and a place if it has one.
    pub(crate) fn is_told(&self, error: &RenderError) {
        assert!(!error.to_string().is_empty() && !error.code.is_empty());
        if let Some(range) = &error.range {
            assert!(self.source.get(range.clone()).is_some(), "{error:?} in {:?}", self.source);
        }
    }
}

/// Tells whether author's text and holes with the value are all that a template has.
pub(crate) fn is_plain(source: &str) -> bool {
    let pieces: Vec<&str> = source.split(HOLE).collect();
    let opens = |piece: &&str| ["{{", "{%", "{#"].iter().any(|open| piece.contains(open));
    let before_holes = &pieces[..pieces.len() - 1];
    !source.contains(WORD)
        && !pieces.iter().any(opens)
        && !before_holes.iter().any(|piece| piece.ends_with('{'))
}

pub(crate) fn is_in(problem: &Problem, source: &str) {
    assert!(!problem.message.is_empty() && !problem.code.is_empty());
    assert!(source.get(problem.range.clone()).is_some(), "{problem:?} in {source:?}");
}

/// The names that templates see here.
pub(crate) fn scope(value: &str) -> Scope {
    let labels = Value::from_pairs([("instance", value), ("alertname", "Disk")]);
    Scope::new()
        .with("x", Value::from(value))
        .with("n", Value::from(7))
        .with("hosts", Value::from(vec![value.to_owned(), "b".to_owned()]))
        .with("alert", Value::from_pairs([("labels", labels)]))
        .with("nothing", Value::from(()))
}

/// Puts the value where the word stands.
pub(crate) fn filled(text: &str, value: &str) -> String {
    text.replace(WORD, value)
}

/// Makes seeds of templates with values of strangers.
pub(crate) fn with_hostile_values(sources: &[&str]) -> Vec<Vec<u8>> {
    let values = hostile_values();
    let short = values.iter().filter(|value| value.len() < 200);
    short.flat_map(|value| sources.iter().map(|source| input(&[value.as_str(), source]))).collect()
}

/// Writes what a regular expression is made of, a word for each part; none where it is not known to the regex crate.
fn shape(pattern: &str) -> Option<String> {
    struct Words(String);
    impl ast::Visitor for Words {
        type Output = String;
        type Err = ();

        fn finish(self) -> Result<String, ()> {
            Ok(self.0)
        }

        fn visit_pre(&mut self, node: &Ast) -> Result<(), ()> {
            let word = match node {
                Ast::Literal(literal) => letter(literal.c),
                Ast::Flags(flags) => format!("flags {:?}", kinds(&flags.flags)),
                Ast::Assertion(assertion) => format!("{:?}", assertion.kind),
                Ast::ClassUnicode(class) => format!("{:?} {}", class.kind, class.negated),
                Ast::ClassPerl(class) => format!("{:?} {}", class.kind, class.negated),
                Ast::Repetition(repetition) => format!("{:?} {}", repetition.op.kind, repetition.greedy),
                Ast::Group(group) => match &group.kind {
                    GroupKind::NonCapturing(flags) => format!("group {:?} (", kinds(flags)),
                    GroupKind::CaptureName { name, .. } => format!("group {} (", name.name),
                    GroupKind::CaptureIndex(_) => "group (".to_owned(),
                },
                Ast::ClassBracketed(class) => format!("class {} [", class.negated),
                Ast::Alternation(_) => "either (".to_owned(),
                Ast::Empty(_) | Ast::Dot(_) | Ast::Concat(_) => String::new(),
            };
            self.0 += &word;
            Ok(())
        }

        fn visit_post(&mut self, node: &Ast) -> Result<(), ()> {
            self.0 += match node {
                Ast::Repetition(_) | Ast::Group(_) | Ast::ClassBracketed(_) | Ast::Alternation(_) => ") ",
                Ast::Dot(_) => "dot ",
                _ => "",
            };
            Ok(())
        }

        fn visit_alternation_in(&mut self) -> Result<(), ()> {
            self.0 += "or ";
            Ok(())
        }

        fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
            self.0 += &match item {
                ClassSetItem::Literal(literal) => format!("in it {:?} ", literal.c),
                ClassSetItem::Range(range) => format!("in it {:?} to {:?} ", range.start.c, range.end.c),
                ClassSetItem::Ascii(class) => format!("in it {:?} {} ", class.kind, class.negated),
                ClassSetItem::Unicode(class) => format!("in it {:?} {} ", class.kind, class.negated),
                ClassSetItem::Perl(class) => format!("in it {:?} {} ", class.kind, class.negated),
                ClassSetItem::Empty(_) | ClassSetItem::Bracketed(_) | ClassSetItem::Union(_) => String::new(),
            };
            Ok(())
        }
    }
    let tree = ast::parse::Parser::new().parse(pattern).ok()?;
    ast::visit(&tree, Words(String::new())).ok()
}

fn letter(letter: char) -> String {
    format!("{letter:?} ")
}

fn kinds(flags: &Flags) -> Vec<&FlagsItemKind> {
    flags.items.iter().map(|item| &item.kind).collect()
}

/// Sees that a pattern is the one with the word, but that it has the letters of the value where that has those of the word.
pub(crate) fn is_literal(pattern: &str, worded: &str, value: &str, about: &str) {
    let letters = |text: &str| text.chars().map(letter).collect::<String>();
    // What the regex crate does not know has no values in it: `{a}` is plain text to Alertmanager and Prometheus alone.
    if shape(worded).is_none() && !worded.contains(WORD) {
        assert_eq!(pattern, worded, "{about}");
        return;
    }
    let worded = shape(worded).unwrap_or_else(|| panic!("{about}: {worded:?} is not known well"));
    let pattern = shape(pattern).unwrap_or_else(|| panic!("{about}: {pattern:?} is not known well"));
    assert_eq!(pattern, worded.replace(&letters(WORD), &letters(value)), "{about}");
}
