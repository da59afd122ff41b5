//! Characters that stand for holes while a language is parsed that has no word for them.

use regex_syntax::ast;

/// Stands for the first hole: a character for private use.
const FIRST: u32 = 0xF_0000;
/// More holes than these have no characters of their own.
pub(super) const MOST_HOLES: usize = 1000;

/// Returns the character of the hole with a number.
pub(super) fn stand_in(number: usize) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_u32(FIRST + number)).unwrap_or('\u{F0000}')
}

pub(super) fn is_stand_in(character: char) -> bool {
    (FIRST..=0xF_FFFD).contains(&u32::from(character))
}

/// Returns the number of the hole that a character stands for.
pub(super) fn number_of(stand_in: char) -> usize {
    (u32::from(stand_in).saturating_sub(FIRST)) as usize
}

/// Writes holes where characters stand for them.
pub(super) fn without_stand_ins(message: &str) -> String {
    let mut plain = String::new();
    for character in message.chars() {
        if is_stand_in(character) { plain.push_str("{{ ... }}") } else { plain.push(character) }
    }
    plain
}

/// Tells whether a character is a literal of its own in a pattern: not in a class, a count, a name, `\Q...\E`.
pub(super) fn is_literal_in(pattern: &str, character: char) -> bool {
    struct Search {
        character: char,
        found: bool,
    }
    impl ast::Visitor for Search {
        type Output = bool;
        type Err = ();

        fn finish(self) -> Result<bool, ()> {
            Ok(self.found)
        }

        fn visit_pre(&mut self, node: &ast::Ast) -> Result<(), ()> {
            if let ast::Ast::Literal(literal) = node {
                self.found |= literal.c == self.character && literal.kind == ast::LiteralKind::Verbatim;
            }
            Ok(())
        }
    }
    if pattern.contains("\\Q") {
        return false;
    }
    let Ok(tree) = ast::parse::Parser::new().parse(pattern) else { return false };
    ast::visit(&tree, Search { character, found: false }).unwrap_or(false)
}
