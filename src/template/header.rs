//! [`HeaderTemplate`]: the value of one HTTP header, on one line.

use std::fmt;
use std::ops::Range;

use super::outline::{Outline, Part, scalar_text};
use super::problem::{Problem, RenderError};
use super::reference::Reference;
use super::scope::Scope;

/// What receivers drop at both ends of a header.
const SPACE: [char; 2] = [' ', '\t'];

/// The value of an HTTP header with holes: never with CR, LF, NUL or another control character.
#[derive(Clone)]
pub struct HeaderTemplate {
    outline: Outline,
}

impl HeaderTemplate {
    /// Reads a header's value with holes.
    ///
    /// # Errors
    /// What is wrong with its holes; control characters in the author's text.
    pub fn compile(source: &str) -> Result<Self, Vec<Problem>> {
        let outline = Outline::compile(source)?;
        if let Some(at) = source.find(is_forbidden) {
            let problem =
                Problem::new("header-syntax", at..at + 1, "a header has no line break or control character");
            return Err(vec![problem]);
        }
        Ok(Self { outline })
    }

    /// Returns the names that it reads.
    pub fn references(&self) -> &[Reference] {
        self.outline.references()
    }

    /// Returns the text that it was read from.
    pub fn source(&self) -> &str {
        self.outline.source()
    }

    /// Fills it.
    ///
    /// # Errors
    /// A name without a value, a value that is not one text, a control character in it, and white
    /// space at an end of the header, which receivers drop.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        let mut header = String::new();
        // Where values stand in it, and their expressions in the source.
        let mut values: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for part in self.outline.fill(scope)?.parts {
            match part {
                Part::Text(text, _) => header.push_str(&text),
                Part::Hole(value, range) => {
                    let start = header.len();
                    let text = scalar_text(&value).and_then(check);
                    header.push_str(&text.map_err(|error| error.at(self.source(), range.clone()))?);
                    values.push((start..header.len(), range));
                }
            }
        }
        let (start, end) =
            (header.len() - header.trim_start_matches(SPACE).len(), header.trim_end_matches(SPACE).len());
        let loses = |value: &Range<usize>| !value.is_empty() && (value.start < start || value.end > end);
        if let Some((_, range)) = values.into_iter().find(|(value, _)| loses(value)) {
            let message = "begins or ends the header with white space, which receivers drop";
            let error = RenderError::new("header-space", message).with_hint("`{{ x | trim }}`");
            return Err(error.at(self.source(), range));
        }
        Ok(header)
    }
}

impl fmt::Debug for HeaderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeaderTemplate").field(&self.source()).finish()
    }
}

impl PartialEq for HeaderTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && character != '\t'
}

fn check(text: String) -> Result<String, RenderError> {
    const LONGEST: usize = 64 << 10;
    if text.contains(is_forbidden) {
        let error = RenderError::new("header-control", "holds a line break or a control character");
        return Err(error.with_hint("`{{ x | lines | first }}` is one line, `{{ x | to_json }}` is escaped"));
    }
    if text.len() > LONGEST {
        return Err(RenderError::new("value-too-long", "is longer than 64 KiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Value;

    #[test]
    fn a_header_stays_one_line() {
        let template = HeaderTemplate::compile("Bearer {{ x }}").expect("compiles");
        let render = |value: &str| template.render(&Scope::new().with("x", Value::from(value)));
        assert_eq!(render("a b\tü").as_deref(), Ok("Bearer a b\tü"));
        for hostile in ["a\r\nX: y", "a\nb", "\r", "a\0b", "a\u{7f}", "a\u{85}b", "trailing "] {
            assert!(render(hostile).is_err(), "{hostile:?}");
        }
        assert!(HeaderTemplate::compile("a\nb").is_err());
        for (source, value) in
            [("{{ x }}", " a"), (" {{ x }}", " a"), ("{{ x }}\t", "a "), ("{{ '' }}{{ x }}b", "\ta")]
        {
            let template = HeaderTemplate::compile(source).expect(source);
            let error = template.render(&Scope::new().with("x", Value::from(value))).expect_err(source);
            assert_eq!(error.code, "header-space", "{source}");
        }
    }
}
