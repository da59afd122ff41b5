//! Puts a variable in the place of each hole, spelled for where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::outline::{item_text, no_nul, scalar_text};
use super::super::parsed::Ending;
use super::super::problem::RenderError;
use super::super::text::{LONGEST_ARGUMENT, too_long};
use super::ShellScript;
use super::lexer::Lexed;
use super::units::{Context, Unit};

/// The most bytes that all variables of one script may have: Linux gives arguments and environment 2 MiB.
const MOST_VARIABLES: usize = 1 << 20;

/// A hole and its value.
pub(super) struct Hole {
    pub(super) value: Value,
    pub(super) range: Range<usize>,
    pub(super) ending: Ending,
}

/// Makes the script.
pub(super) fn link(
    script: &[Unit],
    holes: &[Hole],
    lexed: &Lexed,
    source: &str,
) -> Result<ShellScript, RenderError> {
    let contexts: BTreeMap<usize, Context> = lexed.contexts.iter().copied().collect();
    let alone: BTreeSet<usize> = lexed.alone.iter().copied().collect();
    let mut integers: BTreeSet<usize> = lexed.integers.iter().copied().collect();
    integers.extend(lexed.flows.evaluated_holes());

    let mut texts: Vec<Vec<String>> = Vec::with_capacity(holes.len());
    for (number, hole) in holes.iter().enumerate() {
        let context = contexts.get(&number).copied().unwrap_or(Context::Bare);
        let is_list = alone.contains(&number) && context == Context::Bare && !integers.contains(&number);
        let made = hole_texts(hole, is_list).and_then(|texts| {
            let is_integer = context == Context::Arithmetic || integers.contains(&number);
            if is_integer { check_integers(texts) } else { Ok(texts) }
        });
        texts.push(made.map_err(|error| error.at(source, hole.range.clone()))?);
    }
    check_heads(&lexed.heads, holes, &texts, source)?;
    check_options(&lexed.flows.option_holes(), holes, &texts, source)?;

    let mut linked = String::with_capacity(script.len() + holes.len() * 20);
    let mut variables: Vec<(String, String)> = Vec::new();
    for unit in script {
        match unit {
            Unit::Char(character) => linked.push(*character),
            Unit::Opaque | Unit::Raw => {}
            Unit::Hole(number) => {
                let context = contexts.get(number).copied().unwrap_or(Context::Bare);
                let words = std::mem::take(&mut texts[*number]);
                let names: Vec<String> =
                    (0..words.len()).map(|at| format!("AMFLOW_V{}", variables.len() + at)).collect();
                let spelled: Vec<String> = names.iter().map(|name| spell(name, context)).collect();
                linked.push_str(&spelled.join(" "));
                variables.extend(names.into_iter().zip(words));
            }
        }
    }
    let total: usize = variables.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if total > MOST_VARIABLES {
        let message =
            format!("the values of this script have {} KiB together, and 1024 are possible", total >> 10);
        return Err(RenderError::new("value-too-long", message).with_hint("pass them by `stdin:`"));
    }
    Ok(ShellScript { script: linked, variables })
}

/// How a variable is written where the hole stood. The braces end its name whatever follows.
fn spell(name: &str, context: Context) -> String {
    match context {
        Context::Bare => format!("\"${{{name}}}\""),
        Context::Double | Context::HereDocument | Context::Arithmetic | Context::Comment => {
            format!("${{{name}}}")
        }
        Context::Single => format!("'\"${{{name}}}\"'"),
        Context::DollarSingle => format!("'\"${{{name}}}\"$'"),
    }
}

/// The texts that a hole becomes: one, or one for each item of a list.
fn hole_texts(hole: &Hole, is_list: bool) -> Result<Vec<String>, RenderError> {
    if is_list {
        match hole.value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                let items = hole.value.try_iter().map_err(|error| RenderError::from_engine(&error, ""))?;
                return items.map(|item| one_text(item_text(&item))).collect();
            }
            // What an `if` without `else` leaves out is no word at all.
            ValueKind::Undefined => return Ok(Vec::new()),
            _ => {}
        }
    } else if hole.value.kind() == ValueKind::Seq {
        let message =
            "is a list, and a list must be a word of its own, without quotes and without text beside it";
        return Err(RenderError::new("value-list", message).with_hint("`{{ x | join(\",\") }}` is one text"));
    }
    Ok(vec![one_text(scalar_text(&hole.value))?])
}

fn one_text(text: Result<String, RenderError>) -> Result<String, RenderError> {
    let text = no_nul(text?)?;
    if text.len() > LONGEST_ARGUMENT { Err(too_long(text.len())) } else { Ok(text) }
}

/// Arithmetic evaluates what it is given, in bash even commands; a plain number is only a number.
fn check_integers(texts: Vec<String>) -> Result<Vec<String>, RenderError> {
    for text in &texts {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_plain = !digits.is_empty()
            && digits.len() <= 18
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if !is_plain {
            let error =
                RenderError::new("shell-not-a-number", "must be a whole number: the shell evaluates it");
            return Err(error.with_hint("`{{ x | int }}`"));
        }
    }
    Ok(texts)
}

/// Refuses values that a program would take for options where their variables stand.
fn check_options(
    options: &BTreeSet<(usize, bool)>,
    holes: &[Hole],
    texts: &[Vec<String>],
    source: &str,
) -> Result<(), RenderError> {
    for (number, splits) in options {
        let (Some(hole), Some(texts)) = (holes.get(*number), texts.get(*number)) else { continue };
        let begins = |text: &str| text.trim_start_matches(['\'', '\\']).starts_with('-');
        let begins_option =
            |text: &String| begins(text) || (*splits && text.split_ascii_whitespace().any(begins));
        if !hole.ending.dash_ok && texts.iter().any(begins_option) {
            let message = "would be taken for an option where its variable stands: it begins with `-`";
            let hint = "write `--` before the variable, and quotes around it, or `{{ ... | dash_ok }}` where the program takes it so";
            let error = RenderError::new("value-dash", message).with_hint(hint);
            return Err(error.at(source, hole.range.clone()));
        }
    }
    Ok(())
}

/// Refuses values that a program would take for options.
fn check_heads(
    heads: &[Vec<usize>],
    holes: &[Hole],
    texts: &[Vec<String>],
    source: &str,
) -> Result<(), RenderError> {
    for head in heads {
        for number in head {
            let (Some(hole), Some(texts)) = (holes.get(*number), texts.get(*number)) else { continue };
            let begins_option = |text: &String| {
                let plain = if hole.ending.shq > 0 { text.trim_start_matches(['\'', '\\']) } else { text };
                plain.starts_with('-')
            };
            if !hole.ending.dash_ok && texts.iter().any(begins_option) {
                let error =
                    RenderError::new("value-dash", "begins with `-` and would be taken for an option");
                let hint = "write `--` before it, or `{{ ... | dash_ok }}` where the program takes it so";
                return Err(error.with_hint(hint).at(source, hole.range.clone()));
            }
            // The next hole begins the word only if this one is empty.
            let is_empty = texts.iter().all(|text| {
                text.is_empty() || (hole.ending.shq > 0 && text.trim_matches(['\'', '\\']).is_empty())
            });
            if !is_empty {
                break;
            }
        }
    }
    Ok(())
}
