//! What a script is made of while it is read: the author's characters, and holes that nobody looks into.

/// A character of the script, or something opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A character that the author wrote.
    Char(char),
    /// The hole with a number.
    Hole(usize),
    /// What an expansion becomes: only the shell will know.
    Opaque,
    /// The author's text of `| raw`: it is read when the script is filled.
    Raw,
}

/// How a hole must be spelled where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Outside of quotes.
    Bare,
    /// Inside `"..."`.
    Double,
    /// Inside `'...'`.
    Single,
    /// Inside `$'...'`.
    DollarSingle,
    /// In a here-document whose delimiter is not quoted.
    HereDocument,
    /// In arithmetic: whole numbers only.
    Arithmetic,
    /// In a comment.
    Comment,
}

/// Why a hole cannot stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The number of the hole.
    pub(super) hole: usize,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

/// One word of a command, without its quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) units: Vec<Unit>,
    /// Whether any part of it was quoted.
    pub(super) quoted: bool,
    /// The variables that are expanded in it.
    pub(super) names: Vec<String>,
    /// The holes inside substitutions in it: what they become is not known here.
    pub(super) nested: Vec<usize>,
    /// Whether an expansion in it is more than a variable's value: a substitution, `${a%b}`, arithmetic.
    pub(super) computes: bool,
    /// Whether it may become several words: an expansion outside of quotes, `"$@"`.
    pub(super) splits: bool,
    /// Whether it has characters outside of quotes by which it becomes other words: `*`, `?`, `[`, `{`, `~`.
    pub(super) is_pattern: bool,
}

impl Word {
    /// Returns its text when the author wrote all of it.
    pub(super) fn literal(&self) -> Option<String> {
        self.units
            .iter()
            .map(|unit| match unit {
                Unit::Char(character) => Some(*character),
                Unit::Hole(_) | Unit::Opaque | Unit::Raw => None,
            })
            .collect()
    }

    /// Returns the text before its first hole or expansion.
    pub(super) fn literal_start(&self) -> String {
        self.units
            .iter()
            .map_while(|unit| match unit {
                Unit::Char(character) => Some(*character),
                Unit::Hole(_) | Unit::Opaque | Unit::Raw => None,
            })
            .collect()
    }

    /// Returns the numbers of its holes.
    pub(super) fn holes(&self) -> impl Iterator<Item = usize> + '_ {
        self.units.iter().filter_map(|unit| match unit {
            Unit::Hole(hole) => Some(*hole),
            Unit::Char(_) | Unit::Opaque | Unit::Raw => None,
        })
    }

    /// Returns the numbers of all holes that may be part of its text.
    pub(super) fn all_holes(&self) -> Vec<usize> {
        self.holes().chain(self.nested.iter().copied()).collect()
    }

    /// Makes the word that this text is, in quotes.
    pub(super) fn of(text: &str) -> Self {
        Self { units: units(text).collect(), quoted: true, ..Self::default() }
    }

    /// Returns the variable that is all of it.
    pub(super) fn variable(&self) -> Option<&str> {
        match (self.units.as_slice(), self.names.as_slice()) {
            ([Unit::Opaque], [name]) if !self.computes => Some(name),
            _ => None,
        }
    }

    /// Tells whether the author's `| raw` text is in it.
    pub(super) fn has_raw(&self) -> bool {
        self.units.contains(&Unit::Raw)
    }

    /// Tells whether it has a hole.
    pub(super) fn has_hole(&self) -> bool {
        self.holes().next().is_some()
    }

    /// Tells whether it is this unquoted text.
    pub(super) fn is_plain(&self, text: &str) -> bool {
        !self.quoted && self.literal().as_deref() == Some(text)
    }

    /// The holes at its start, before anything else.
    pub(super) fn leading_holes(&self) -> Vec<usize> {
        self.units
            .iter()
            .map_while(|unit| match unit {
                Unit::Hole(hole) => Some(*hole),
                Unit::Char(_) | Unit::Opaque | Unit::Raw => None,
            })
            .collect()
    }
}

/// Turns text into units.
pub(super) fn units(text: &str) -> impl Iterator<Item = Unit> + '_ {
    text.chars().map(Unit::Char)
}
