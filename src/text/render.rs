//! Diagnostics as people and tools read them: [`text`], [`lines`], [`json`], [`github`].
//!
//! Messages, names and source lines come from files that others may have written: what a terminal
//! would obey is escaped in every format.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::escape::{escape_for_terminal, is_dangerous};
use super::source::SourceFile;
use super::span::Span;

/// How diagnostics are drawn for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawing {
    /// Whether colours are used.
    pub colour: bool,
    /// The width in characters; longer source lines are shown in part.
    pub width: usize,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}

/// Draws diagnostics for people: the message, the source line with a caret, the hint.
///
/// ```text
/// error[unknown-key]: unknown key `nmae`
///  --> disk.yaml:4:5
///   |
/// 4 |     nmae: y
///   |     ^^^^
///   |
///   = help: did you mean `name`?
/// ```
pub fn text<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>, drawing: Drawing) -> String {
    let renderer = if drawing.colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(drawing.width.max(40));
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&renderer.render(&[group(diagnostic)]));
        out.push('\n');
    }
    out
}

/// Writes one line per diagnostic, as editors and `grep` know it: `file:line:col: error[code]: message`.
pub fn lines<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        if let (Some(name), Some(at)) = (diagnostic.file_name(), diagnostic.position()) {
            write!(out, "{}:{}:{}: ", escape_for_terminal(name), at.line, at.column)
                .expect("writing to a string does not fail");
        }
        let (severity, message) = (diagnostic.severity.word(), escape_for_terminal(&diagnostic.message));
        writeln!(out, "{severity}[{}]: {message}", diagnostic.code)
            .expect("writing to a string does not fail");
    }
    out
}

/// Writes workflow commands of GitHub Actions, which annotate the changed lines of a pull request.
///
/// `%`, line breaks and, in properties, `:` and `,` are escaped as the runner unescapes them.
pub fn github<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let mut properties = Vec::new();
        if let Some(file) = diagnostic.file.as_deref() {
            let place = Place::new(file, diagnostic.span);
            properties.push(format!("file={}", github_property(file.name())));
            properties.push(format!("line={}", place.line));
            properties.push(format!("endLine={}", place.end_line));
            properties.push(format!("col={}", place.column));
            if place.line == place.end_line {
                properties.push(format!("endColumn={}", place.end_column));
            }
        }
        properties.push(format!("title={}", github_property(diagnostic.code)));
        let mut message = diagnostic.message.clone();
        if let Some(hint) = &diagnostic.hint {
            message.push('\n');
            message.push_str(hint);
        }
        let (word, properties) = (diagnostic.severity.word(), properties.join(","));
        writeln!(out, "::{word} {properties}::{}", github_data(&message))
            .expect("writing to a string does not fail");
    }
    out
}

/// All diagnostics for programs. The shape is stable: keys are added, never removed or changed.
pub fn json(diagnostics: &Diagnostics) -> JsonReport {
    JsonReport {
        version: 1,
        errors: diagnostics.errors(),
        warnings: diagnostics.warnings(),
        diagnostics: diagnostics.iter().map(JsonDiagnostic::new).collect(),
    }
}

/// The problems of some files, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonReport {
    /// The version of this shape: 1.
    pub version: u32,
    /// The number of errors.
    pub errors: usize,
    /// The number of warnings.
    pub warnings: usize,
    /// The problems, in the order of files and places.
    pub diagnostics: Vec<JsonDiagnostic>,
}

/// One problem, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonDiagnostic {
    /// The kind of problem, such as `unknown-key`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where it is; absent for a problem that is in no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<JsonPlace>,
    /// Other places that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<JsonRelated>,
}

/// A place in a file, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonPlace {
    /// The name of the file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The line of the end.
    pub end_line: usize,
    /// The column after the last character.
    pub end_column: usize,
    /// The offset of the first byte, counted from 0, behind a byte order mark.
    pub offset: usize,
    /// The number of bytes.
    pub length: usize,
}

/// Another place that belongs to a problem, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JsonRelated {
    /// Where it is.
    pub place: JsonPlace,
    /// What is there.
    pub message: String,
}

impl JsonDiagnostic {
    fn new(diagnostic: &Diagnostic) -> Self {
        let related = diagnostic.related.iter().map(|related| JsonRelated {
            place: JsonPlace::new(&related.file, related.span),
            message: related.message.clone(),
        });
        Self {
            code: diagnostic.code.to_owned(),
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
            place: diagnostic.file.as_ref().map(|file| JsonPlace::new(file, diagnostic.span)),
            related: related.collect(),
        }
    }
}

impl JsonPlace {
    fn new(file: &SourceFile, span: Span) -> Self {
        let Place { line, column, end_line, end_column } = Place::new(file, span);
        let (offset, length) = (span.start, span.len());
        Self { file: file.name().to_owned(), line, column, end_line, end_column, offset, length }
    }
}

struct Place {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Place {
    fn new(file: &SourceFile, span: Span) -> Self {
        let (start, end) = (file.position(span.start), file.position(span.end));
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}

fn github_data(text: &str) -> String {
    let escaped = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    escape_for_terminal(&escaped).into_owned()
}

fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group =
        Group::with_title(level.primary_title(escape_for_terminal(&diagnostic.message)).id(diagnostic.code));
    if let Some(file) = &diagnostic.file {
        let mut marks = vec![Mark { span: diagnostic.span, label: None }];
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            diagnostic.related.iter().partition(|related| Arc::ptr_eq(&related.file, file));
        marks.extend(here.iter().map(|related| Mark { span: related.span, label: Some(&related.message) }));
        group = group.element(snippet(file, &marks));
        for related in elsewhere {
            group = group.element(snippet(
                &related.file,
                &[Mark { span: related.span, label: Some(&related.message) }],
            ));
        }
    }
    match &diagnostic.hint {
        Some(hint) => group.element(Level::HELP.message(escape_for_terminal(hint))),
        None => group,
    }
}

/// A place to be marked in a snippet; the one without a label is the primary one.
struct Mark<'a> {
    span: Span,
    label: Option<&'a str>,
}

/// Cuts the lines that the marks are on (and those between) out of the file.
fn snippet<'a>(file: &'a SourceFile, marks: &[Mark<'a>]) -> Snippet<'a, Annotation<'a>> {
    let line_of = |mark: &Mark<'_>| file.position(mark.span.start).line;
    let first = marks.iter().map(line_of).min().unwrap_or(1);
    let last = marks.iter().map(line_of).max().unwrap_or(first);
    let cut = file.line_span(first).join(file.line_span(last));
    let annotations = marks.iter().map(|mark| {
        // Of what goes over several lines, the first one is marked.
        let line = file.line_span(line_of(mark));
        let start = file.floor(mark.span.start).clamp(line.start, line.end);
        let end = file.floor(mark.span.end).clamp(start, line.end);
        let kind = if mark.label.is_none() { AnnotationKind::Primary } else { AnnotationKind::Context };
        kind.span(start - cut.start..end - cut.start).label(mark.label.map(escape_for_terminal))
    });
    Snippet::source(harmless(file.slice(cut)))
        .line_start(first)
        .path(escape_for_terminal(file.name()).into_owned())
        .annotations(annotations)
}

/// Replaces what a terminal would obey by characters of the same length, so that places still fit.
fn harmless(text: &str) -> Cow<'_, str> {
    let kept = |c: char| matches!(c, '\t' | '\n') || !is_dangerous(c);
    if text.chars().all(kept) {
        return Cow::Borrowed(text);
    }
    let replaced = text.chars().map(|c| match c.len_utf8() {
        _ if kept(c) => c,
        1 => ' ',
        2 => '·',
        3 => '\u{fffd}',
        _ => '\u{1fbc4}',
    });
    Cow::Owned(replaced.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{parse, plural};
    use proptest::prelude::{prop_assert, proptest};

    fn file(name: &str, text: &str) -> Arc<SourceFile> {
        SourceFile::new(name, text.as_bytes().to_vec()).unwrap()
    }

    fn unknown_key() -> Diagnostic {
        let file = file("disk.yaml", "a:\n  - b\nnmae: y\n");
        Diagnostic::error("unknown-key", &file, Span::new(9, 13), "unknown key `nmae`")
            .hint("did you mean `name`?")
    }

    fn duplicate() -> Diagnostic {
        let file = file("dir/a,b:c%.yaml", "env: {A: 1, A: 2}\n");
        Diagnostic::warning("duplicate-key", &file, Span::new(12, 13), "100% duplicate\nkey")
            .related(Span::new(6, 7), "first defined here")
    }

    #[test]
    fn people_see_the_line_the_caret_and_the_hint() {
        insta::assert_snapshot!(text([&unknown_key(), &duplicate()], Drawing::default()), @r#"
        error[unknown-key]: unknown key `nmae`
         --> disk.yaml:3:1
          |
        3 | nmae: y
          | ^^^^
          |
          = help: did you mean `name`?

        warning[duplicate-key]: 100% duplicate\nkey
         --> dir/a,b:c%.yaml:1:13
          |
        1 | env: {A: 1, A: 2}
          |       -     ^
          |       |
          |       first defined here
        "#);
    }

    #[test]
    fn a_place_in_another_file_is_shown_too() {
        let (a, b) = (file("a.yaml", "name: x\n"), file("b.yaml", "# second\nname: x\n"));
        let problem =
            Diagnostic::error("duplicate-playbook", &b, Span::new(15, 16), "two playbooks are called `x`")
                .related_in(&a, Span::new(6, 7), "the first");
        insta::assert_snapshot!(text([&problem], Drawing::default()), @r#"
        error[duplicate-playbook]: two playbooks are called `x`
         --> b.yaml:2:7
          |
        2 | name: x
          |       ^
          |
         ::: a.yaml:1:7
          |
        1 | name: x
          |       - the first
        "#);
    }

    #[test]
    fn a_problem_in_no_file_has_no_place() {
        let problem = Diagnostic::without_place("no-playbooks", "no playbooks in `x\x1b[31m`");
        assert_eq!(
            text([&problem], Drawing::default()),
            "error[no-playbooks]: no playbooks in `x\\x1b[31m`\n"
        );
        assert_eq!(lines([&problem]), "error[no-playbooks]: no playbooks in `x\\x1b[31m`\n");
        assert_eq!(github([&problem]), "::error title=no-playbooks::no playbooks in `x\\x1b[31m`\n");
    }

    #[test]
    fn colours_are_used_when_asked_for() {
        let drawing = Drawing { colour: true, ..Drawing::default() };
        assert!(text([&unknown_key()], drawing).contains("\x1b["));
        assert!(!text([&unknown_key()], Drawing::default()).contains('\x1b'));
    }

    #[test]
    fn long_lines_are_shown_around_the_place() {
        let source = format!("k: {}HERE{}\n", "a".repeat(5000), "b".repeat(5000));
        let file = file("long.yaml", &source);
        let drawn = text([&Diagnostic::error("x", &file, Span::new(5003, 5007), "here")], Drawing::default());
        assert!(drawn.contains("HERE"), "{drawn}");
        assert!(drawn.lines().all(|line| line.chars().count() <= 110), "{drawn}");
        assert!(drawn.contains("long.yaml:1:5004"), "{drawn}");
    }

    #[test]
    fn editors_get_a_line_each() {
        insta::assert_snapshot!(lines([&unknown_key(), &duplicate()]), @r#"
        disk.yaml:3:1: error[unknown-key]: unknown key `nmae`
        dir/a,b:c%.yaml:1:13: warning[duplicate-key]: 100% duplicate\nkey
        "#);
    }

    #[test]
    fn github_gets_commands_that_it_can_unescape() {
        insta::assert_snapshot!(github([&unknown_key(), &duplicate()]), @r#"
        ::error file=disk.yaml,line=3,endLine=3,col=1,endColumn=5,title=unknown-key::unknown key `nmae`%0Adid you mean `name`?
        ::warning file=dir/a%2Cb%3Ac%25.yaml,line=1,endLine=1,col=13,endColumn=14,title=duplicate-key::100%25 duplicate%0Akey
        "#);
    }

    #[test]
    fn programs_get_every_place() {
        let report = json(&Diagnostics::from_iter([duplicate()]));
        insta::assert_json_snapshot!(report, @r#"
        {
          "version": 1,
          "errors": 0,
          "warnings": 1,
          "diagnostics": [
            {
              "code": "duplicate-key",
              "severity": "warning",
              "message": "100% duplicate\nkey",
              "place": {
                "file": "dir/a,b:c%.yaml",
                "line": 1,
                "column": 13,
                "end_line": 1,
                "end_column": 14,
                "offset": 12,
                "length": 1
              },
              "related": [
                {
                  "place": {
                    "file": "dir/a,b:c%.yaml",
                    "line": 1,
                    "column": 7,
                    "end_line": 1,
                    "end_column": 8,
                    "offset": 6,
                    "length": 1
                  },
                  "message": "first defined here"
                }
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn hidden_and_reordering_characters_never_reach_the_terminal() {
        let file = file("f\u{202e}.yaml", "a: x\u{202e}y\u{200b}\t\u{85}z\n");
        let problem = Diagnostic::error("x", &file, Span::new(3, 4), "m\u{202e}\x1b[2J").hint("h\u{7f}");
        for drawn in [text([&problem], Drawing::default()), lines([&problem]), github([&problem])] {
            let bad: Vec<char> = drawn.chars().filter(|c| *c != '\n' && is_dangerous(*c)).collect();
            assert_eq!(bad, Vec::<char>::new(), "{drawn:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_drawn(source in r"[a-z:\n\r\t é🙂\u{202e}#]{0,60}", start in 0usize..70, end in 0usize..70, other in 0usize..70) {
            let file = file("f.yaml", &source);
            let mut all = Diagnostics::new();
            parse(&file, &mut all);
            all.push(Diagnostic::error("x", &file, Span::new(start, end), "m").related(Span::new(other, end), "there"));
            all.sort();
            prop_assert!(text(&all, Drawing::default()).contains("error[x]"));
            prop_assert!(lines(&all).lines().count() == all.len(), "{}", plural(all.len(), "line"));
            github(&all);
            json(&all);
        }
    }
}
