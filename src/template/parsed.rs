//! [`Parsed`]: what a template holds, seen without filling it: its holes, the names they read, its branches.
//!
//! The only file that reads the template engine's syntax tree. What amflow's templates leave out of
//! the engine's language is refused here: whatever would put a hole's text into a value again.

use std::collections::HashMap;
use std::ops::Range;

use minijinja::Value;
use minijinja::machinery::ast::{CallArg, Expr, Stmt};
use minijinja::machinery::{Span, parse, parse_expr};
use minijinja::value::ValueKind;

use super::environment::{
    is_filter, is_function, is_test, known_filters, known_functions, known_tests, syntax,
};
use super::problem::Problem;
use super::reference::Reference;
use crate::text::suggestion;

/// What a template holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Names that are read, in the order in which they stand.
    pub(super) references: Vec<Reference>,
    /// The holes, in the order in which they stand.
    pub(super) holes: Vec<Hole>,
    /// Author's text, holes and branches.
    pub(super) pieces: Vec<Piece>,
}

/// One `{{ ... }}`.
#[derive(Debug)]
pub(super) struct Hole {
    /// Its expression, in bytes of the source, without the braces.
    pub(super) range: Range<usize>,
    /// Which filters that mean something to a shell it ends with.
    pub(super) ending: Ending,
    /// What its value is made of.
    pub(super) references: Vec<Reference>,
}

/// The filters at the end of a hole that say how a shell script takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ending {
    /// `| raw`: the author's own script.
    pub(super) raw: bool,
    /// `| dash_ok`: may begin with `-`.
    pub(super) dash_ok: bool,
    /// How many times `| shq`: for so many shells after this one.
    pub(super) shq: usize,
}

impl Ending {
    fn of(mut expression: &Expr<'_>) -> Self {
        let mut ending = Self::default();
        while let Expr::Filter(filter) = expression {
            match (filter.name, &filter.expr) {
                ("raw", _) if ending == Self::default() => return Self { raw: true, ..ending },
                ("dash_ok", Some(inner)) if ending == Self::default() => {
                    ending.dash_ok = true;
                    expression = inner;
                }
                ("shq", Some(inner)) => {
                    ending.shq += 1;
                    expression = inner;
                }
                _ => break,
            }
        }
        ending
    }
}

/// A piece of a template, as its author wrote it.
#[derive(Debug)]
pub(super) enum Piece {
    /// Author's text: bytes of the source.
    Text(Range<usize>),
    /// The number of a hole.
    Hole(usize),
    /// One of two ways: `if` and `else`, or a loop's body and nothing.
    Either(Vec<Piece>, Vec<Piece>),
}

impl Parsed {
    /// Reads text with holes.
    pub(super) fn template(source: &str) -> Result<Self, Vec<Problem>> {
        if let Some(at) = source.find('\0') {
            let problem = Problem::new("template-nul", at..at + 1, "a template may not hold a NUL character");
            return Err(vec![problem]);
        }
        if !source.contains(['{', '\n']) && !source.is_empty() {
            let plain = Walk::new(source);
            return plain.finish(vec![Piece::Text(0..source.len())]);
        }
        let tree =
            parse(source, "template", syntax()).map_err(|error| vec![syntax_problem(&error, source)])?;
        let mut walk = Walk::new(source);
        let pieces = walk.statement(&tree);
        walk.finish(pieces)
    }

    /// Reads one expression.
    pub(super) fn expression(source: &str) -> Result<Self, Vec<Problem>> {
        let tree = parse_expr(source).map_err(|error| vec![syntax_problem(&error, source)])?;
        let mut walk = Walk::new(source);
        walk.expression(&tree, false);
        walk.finish(Vec::new())
    }

    /// Returns the hole whose expression stands at this range.
    pub(super) fn hole_at(&self, range: &Range<usize>) -> Option<&Hole> {
        self.holes.iter().find(|hole| hole.range == *range)
    }
}

/// The most ways through a template's branches that are looked at.
const MOST_WAYS: usize = 64;

/// A piece of one way through a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Author's text: bytes of the source.
    Text(Range<usize>),
    /// The number of a hole.
    Hole(usize),
}

impl Parsed {
    /// Returns ways through the template so that every piece is on at least one: the first branch
    /// everywhere, then each other branch once.
    pub(super) fn ways(&self) -> Vec<Vec<Leaf>> {
        let branches = count_branches(&self.pieces);
        let walk = |other: Option<usize>| {
            let mut way = Vec::new();
            follow(&self.pieces, other, &mut 0, &mut way);
            way
        };
        std::iter::once(None).chain((0..branches).map(Some)).take(MOST_WAYS).map(walk).collect()
    }
}

fn count_branches(pieces: &[Piece]) -> usize {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Either(then, otherwise) => 1 + count_branches(then) + count_branches(otherwise),
            Piece::Text(_) | Piece::Hole(_) => 0,
        })
        .sum()
}

/// Takes the second way at the branch with the number `other` and, below it, first ways again.
fn follow(pieces: &[Piece], other: Option<usize>, number: &mut usize, way: &mut Vec<Leaf>) {
    for piece in pieces {
        match piece {
            Piece::Text(range) => way.push(Leaf::Text(range.clone())),
            Piece::Hole(hole) => way.push(Leaf::Hole(*hole)),
            Piece::Either(then, otherwise) => {
                let this = *number;
                let in_then = this + 1..this + 1 + count_branches(then);
                let in_otherwise = in_then.end..in_then.end + count_branches(otherwise);
                let second = other.is_some_and(|other| other == this || in_otherwise.contains(&other));
                *number = if second { in_otherwise.start } else { in_then.start };
                follow(if second { otherwise } else { then }, other, number, way);
                *number = in_otherwise.end;
            }
        }
    }
}

/// Translates an error of the engine's parser.
fn syntax_problem(error: &minijinja::Error, source: &str) -> Problem {
    let at_line = || {
        let line = error.line().unwrap_or(1).saturating_sub(1);
        let start = source.split_inclusive('\n').take(line).map(str::len).sum::<usize>().min(source.len());
        let end = source[start..].find('\n').map_or(source.len(), |length| start + length);
        start..end
    };
    let range = error.range().filter(|range| source.get(range.clone()).is_some()).unwrap_or_else(at_line);
    let detail = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    let problem = Problem::new("template-syntax", range, detail);
    match problem.message.as_str() {
        message if message.contains("unknown statement") => {
            problem.with_hint("known here: `if`, `for`, `set`, `with`, `raw`")
        }
        _ => problem,
    }
}

/// One walk over a syntax tree.
struct Walk<'s> {
    source: &'s str,
    /// Names that the template itself makes, and what they are made of; the innermost last.
    locals: Vec<HashMap<String, Vec<Reference>>>,
    found: Parsed,
    problems: Vec<Problem>,
}

impl<'s> Walk<'s> {
    fn new(source: &'s str) -> Self {
        Self { source, locals: vec![HashMap::new()], found: Parsed::default(), problems: Vec::new() }
    }

    fn finish(mut self, pieces: Vec<Piece>) -> Result<Parsed, Vec<Problem>> {
        self.found.pieces = pieces;
        if self.problems.is_empty() { Ok(self.found) } else { Err(self.problems) }
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) -> Vec<Piece> {
        statements.iter().flat_map(|statement| self.statement(statement)).collect()
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Vec<Piece> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(text) => vec![Piece::Text(range(text.span()))],
            Stmt::EmitExpr(hole) => vec![self.hole(&hole.expr, range(hole.span()))],
            Stmt::IfCond(branch) => {
                self.expression(&branch.expr, false);
                let then = self.statements(&branch.true_body);
                vec![Piece::Either(then, self.statements(&branch.false_body))]
            }
            Stmt::ForLoop(each) => {
                if each.recursive {
                    self.refuse(range(each.span()), "a recursive loop");
                }
                let made_of = self.expression(&each.iter, false);
                self.locals.push(HashMap::from([("loop".to_owned(), made_of.clone())]));
                self.assign(&each.target, &made_of);
                if let Some(filter) = &each.filter_expr {
                    self.expression(filter, false);
                }
                let body = self.statements(&each.body);
                self.locals.pop();
                vec![Piece::Either(body, self.statements(&each.else_body))]
            }
            Stmt::WithBlock(with) => {
                self.locals.push(HashMap::new());
                for (target, value) in &with.assignments {
                    let made_of = self.expression(value, false);
                    self.assign(target, &made_of);
                }
                let body = self.statements(&with.body);
                self.locals.pop();
                body
            }
            Stmt::Set(set) => {
                let made_of = self.expression(&set.expr, false);
                self.assign(&set.target, &made_of);
                Vec::new()
            }
            Stmt::SetBlock(set) => self.refuse(range(set.span()), "`{% set name %}...{% endset %}`"),
            Stmt::AutoEscape(escape) => self.refuse(range(escape.span()), "`{% autoescape %}`"),
            Stmt::FilterBlock(filter) => self.refuse(range(filter.span()), "`{% filter %}`"),
            Stmt::Do(call) => self.refuse(range(call.span()), "`{% do %}`"),
            #[allow(
                unreachable_patterns,
                reason = "there are more kinds when minijinja has more features on"
            )]
            _ => self.refuse(0..self.source.len(), "this statement"),
        }
    }

    fn refuse(&mut self, range: Range<usize>, what: &str) -> Vec<Piece> {
        let message = format!("{what} is not part of amflow's templates");
        let hint =
            "`if`, `for`, `set name = value` and `with` are; filters go into the hole: `{{ x | upper }}`";
        self.problems.push(Problem::new("template-statement", range, message).with_hint(hint));
        Vec::new()
    }

    fn hole(&mut self, expression: &Expr<'_>, range: Range<usize>) -> Piece {
        let references = if let Expr::Filter(filter) = expression
            && matches!(filter.name, "raw" | "dash_ok" | "shq")
        {
            self.filter(filter, range.clone(), true)
        } else {
            self.expression(expression, false)
        };
        let ending = Ending::of(expression);
        let is_of_hole = |known: &Reference| references.iter().any(|of| of.range == known.range);
        for known in self.found.references.iter_mut().filter(|known| ending.raw && is_of_hole(known)) {
            known.raw = true;
        }
        self.found.holes.push(Hole { range, ending, references });
        Piece::Hole(self.found.holes.len() - 1)
    }

    /// Walks an expression and returns what its value is made of.
    fn expression(&mut self, expression: &Expr<'_>, has_default: bool) -> Vec<Reference> {
        match expression {
            Expr::Const(_) => Vec::new(),
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.path(expression, has_default),
            Expr::Slice(slice) => {
                let mut made_of = self.expression(&slice.expr, has_default);
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    made_of.extend(self.expression(part, false));
                }
                made_of
            }
            Expr::UnaryOp(op) => self.expression(&op.expr, false),
            Expr::BinOp(op) => self.all([&op.left, &op.right]),
            Expr::Compare(compare) => {
                self.all(std::iter::once(&compare.expr).chain(compare.ops.iter().map(|op| &op.expr)))
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr, false);
                let mut made_of = self.expression(&choice.true_expr, has_default);
                if let Some(otherwise) = &choice.false_expr {
                    made_of.extend(self.expression(otherwise, has_default));
                }
                made_of
            }
            Expr::Filter(filter) => self.filter(filter, range(filter.span()), false),
            Expr::Test(test) => {
                if !is_test(test.name) {
                    self.unknown("test", test.name, range(test.span()), known_tests());
                }
                let about_absence = matches!(test.name, "defined" | "undefined");
                let mut made_of = self.expression(&test.expr, about_absence);
                made_of.extend(self.arguments(&test.args));
                made_of
            }
            Expr::Call(call) => {
                match &call.expr {
                    Expr::Var(function) if self.local(function.id).is_none() => {
                        if !is_function(function.id) {
                            self.unknown("function", function.id, range(call.span()), known_functions());
                        }
                    }
                    Expr::GetAttr(method) => {
                        let message = format!("`.{}()` is not known: values have no methods", method.name);
                        let mut problem =
                            Problem::new("template-unknown-method", range(call.span()), message);
                        if is_filter(method.name) {
                            problem = problem.with_hint(format!("write it as a filter: `| {}`", method.name));
                        }
                        self.problems.push(problem);
                    }
                    other => {
                        let place = range(other.span());
                        self.problems.push(Problem::new(
                            "template-unknown-function",
                            place,
                            "this cannot be called",
                        ));
                    }
                }
                self.arguments(&call.args)
            }
            Expr::List(list) => self.all(&list.items),
            Expr::Tuple(tuple) => self.all(&tuple.items),
            Expr::Map(map) => {
                let mut made_of = self.all(&map.keys);
                made_of.extend(self.all(&map.values));
                made_of
            }
        }
    }

    fn all<'e, 't: 'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr<'t>>) -> Vec<Reference> {
        expressions.into_iter().flat_map(|expression| self.expression(expression, false)).collect()
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Vec<Reference> {
        let mut made_of = Vec::new();
        for argument in arguments {
            let (CallArg::Pos(value)
            | CallArg::Kwarg(_, value)
            | CallArg::PosSplat(value)
            | CallArg::KwargSplat(value)) = argument;
            made_of.extend(self.expression(value, false));
        }
        made_of
    }

    /// `is_last` is set for the filter that ends a hole: only there do `raw`, `dash_ok` and `shq` mean something.
    fn filter(
        &mut self,
        filter: &minijinja::machinery::ast::Filter<'_>,
        place: Range<usize>,
        is_last: bool,
    ) -> Vec<Reference> {
        if !is_filter(filter.name) {
            self.unknown("filter", filter.name, place.clone(), known_filters());
        }
        if matches!(filter.name, "raw" | "dash_ok") && !is_last {
            let message = format!("`{}` must be the last filter of a hole", filter.name);
            let hint = format!("write `{{{{ ... | {} }}}}`", filter.name);
            self.problems.push(Problem::new("template-filter-not-last", place, message).with_hint(hint));
        }
        let mut made_of = match &filter.expr {
            Some(value) => self.expression(value, filter.name == "default"),
            None => Vec::new(),
        };
        made_of.extend(self.arguments(&filter.args));
        made_of
    }

    fn unknown(&mut self, what: &str, name: &str, range: Range<usize>, known: Vec<&'static str>) {
        let code = match what {
            "filter" => "template-unknown-filter",
            "test" => "template-unknown-test",
            _ => "template-unknown-function",
        };
        let mut problem = Problem::new(code, range, format!("the {what} `{name}` is not known"));
        problem.hint = match name {
            "tojson" => Some("did you mean `to_json`?".to_owned()),
            "fromjson" | "parse_json" => Some("did you mean `from_json`?".to_owned()),
            "safe" | "escape" | "e" => {
                Some("nothing needs it: a value is put where it stands without becoming syntax".to_owned())
            }
            "quote" => Some("did you mean `shq`? Only text for a second shell needs it".to_owned()),
            "now" => Some("`run.now` is the time at which the run looks".to_owned()),
            "d" => Some("did you mean `default`?".to_owned()),
            "count" => Some("did you mean `length`?".to_owned()),
            _ => suggestion(name, known),
        };
        self.problems.push(problem);
    }

    fn local(&self, name: &str) -> Option<&Vec<Reference>> {
        self.locals.iter().rev().find_map(|frame| frame.get(name))
    }

    /// Notes that a name of the template itself holds what is made of these references.
    fn assign(&mut self, target: &Expr<'_>, made_of: &[Reference]) {
        match target {
            Expr::Var(name) => {
                let frame = self.locals.last_mut().expect("the outermost frame is never popped");
                // A second `set` may stand in a branch: the value may be either.
                frame.entry(name.id.to_owned()).or_default().extend_from_slice(made_of);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, made_of)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item, made_of)),
            other => {
                self.refuse(range(other.span()), "setting a part of a value");
            }
        }
    }

    /// A chain of lookups that starts at a name.
    fn path(&mut self, expression: &Expr<'_>, has_default: bool) -> Vec<Reference> {
        let mut parts = Vec::new();
        let mut computed = Vec::new();
        let mut at = expression;
        let mut whole = expression;
        let root = loop {
            match at {
                Expr::Var(name) => break name.id,
                Expr::GetAttr(lookup) => {
                    parts.push(lookup.name.to_owned());
                    at = &lookup.expr;
                }
                Expr::GetItem(lookup) => {
                    if let Some(part) = lookup.subscript_expr.as_const().and_then(constant_part) {
                        parts.push(part);
                    } else {
                        computed.extend(self.expression(&lookup.subscript_expr, false));
                        // What follows a computed part is not part of a known name.
                        parts.clear();
                        whole = &lookup.expr;
                    }
                    at = &lookup.expr;
                }
                other => {
                    let mut made_of = self.expression(other, has_default);
                    made_of.extend(computed);
                    return made_of;
                }
            }
        };
        if let Some(made_of) = self.local(root) {
            let mut made_of = made_of.clone();
            made_of.extend(computed);
            return made_of;
        }
        parts.push(root.to_owned());
        parts.reverse();
        let range = self.tight(range(whole.span()), root);
        let reference = Reference { path: parts, range, has_default, raw: false };
        self.found.references.push(reference.clone());
        computed.insert(0, reference);
        computed
    }

    /// The range of a path, from its root: some spans of the engine start later.
    fn tight(&self, range: Range<usize>, root: &str) -> Range<usize> {
        match self.source.get(range.clone()) {
            Some(text) if text.starts_with(root) => range,
            _ => match self.source.get(..range.start).and_then(|before| before.rfind(root)) {
                Some(start) => start..range.end,
                None => range,
            },
        }
    }
}

/// The part of a path that a constant subscript names.
fn constant_part(value: Value) -> Option<String> {
    match value.kind() {
        ValueKind::String => value.as_str().map(ToOwned::to_owned),
        ValueKind::Number => value.as_usize().map(|index| index.to_string()),
        _ => None,
    }
}

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..(span.end_offset as usize).max(span.start_offset as usize)
}
