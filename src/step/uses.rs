//! [`Use`]: a place of a playbook that reads names, for those who know which names there are.

use super::kind::Field;
use crate::template::Reference;
use crate::text::Span;

/// A place of a playbook that reads names.
#[derive(Clone, Debug)]
pub struct Use {
    /// The language that stands there.
    pub language: Language,
    /// The key that it stands under: `script`, `argv[2]`.
    pub field: String,
    /// The place of the whole.
    pub span: Span,
    /// Every name that is read.
    pub names: Vec<Named>,
    /// Names that become syntax of some language, which strangers must not have written.
    pub trusted: Vec<MustTrust>,
    /// Names that exist at this place only: the fields of the answer that it judges.
    pub locals: &'static [Field],
}

/// A name that is read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub reference: Reference,
    /// Where it stands in the file.
    pub span: Span,
}

/// A name that strangers must not have written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MustTrust {
    /// The name.
    pub named: Named,
    /// The diagnostic's code.
    pub code: &'static str,
    /// What it would become: `the program that is run`, `program text of sh`.
    pub becomes: String,
    /// How to mend it.
    pub hint: String,
}

/// The languages with holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Text for people.
    Text,
    /// One argument of a program, or a variable of its environment.
    Argument,
    /// A shell script.
    Shell,
    /// Standard input.
    Stdin,
    /// A URL.
    Url,
    /// A header of a request.
    Header,
    /// A JSON value.
    Json,
    /// A matcher.
    Matcher,
    /// `PromQL`.
    Query,
    /// An expression without braces.
    Expression,
}
