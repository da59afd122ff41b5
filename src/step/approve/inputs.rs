//! Reads `inputs` of an `approve` step: questions with the types of their answers.

use serde_json::Value;

use super::question::{Question, QuestionType};
use crate::model::Pattern;
use crate::step::compiler::Compiler;
use crate::text::{Entry, Node};

/// Reads what is asked beside yes or no.
pub(super) fn questions(node: &Node, compiler: &mut Compiler<'_>) -> Option<Vec<Question>> {
    let Some(inputs) = node.get("inputs") else { return Some(Vec::new()) };
    let all: Vec<Option<Question>> = inputs.entries().iter().map(|entry| question(entry, compiler)).collect();
    all.into_iter().collect()
}

fn question(entry: &Entry, compiler: &mut Compiler<'_>) -> Option<Question> {
    let (name, node) = (entry.key.value.clone(), &entry.value);
    let wrong =
        |compiler: &mut Compiler<'_>, span, message: String, hint: Option<&str>| -> Option<Question> {
            compiler.error("approve-input", span, message, hint);
            None
        };
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        let message = format!("`{name}` is not the name of an answer");
        return wrong(compiler, entry.key.span, message, Some("letters, digits and `_`, as in `keep_days`"));
    }
    let choices: Vec<Option<String>> = node
        .get("choices")
        .map_or(&[][..], Node::items)
        .iter()
        .map(|item| compiler.scalar("choices", item).map(str::to_owned))
        .collect();
    let choices: Vec<String> = choices.into_iter().collect::<Option<_>>()?;
    let kind = match node.get("type") {
        None if choices.is_empty() => QuestionType::String,
        None => QuestionType::Choice,
        Some(written) => {
            let known = QuestionType::parse(compiler.scalar("type", written)?);
            let Some(kind) = known else {
                let message = "this is no type of an answer".to_owned();
                let hint = "one of `string`, `int`, `bool` and `choice`";
                return wrong(compiler, written.span, message, Some(hint));
            };
            kind
        }
    };
    for (key, fits) in [
        ("choices", kind == QuestionType::Choice),
        ("pattern", kind == QuestionType::String),
        ("min", kind == QuestionType::Int),
        ("max", kind == QuestionType::Int),
    ] {
        if let Some(span) = node.key_span(key).filter(|_| !fits) {
            let message = format!("`{key}` means nothing to an answer of this type");
            return wrong(compiler, span, message, None);
        }
    }
    if kind == QuestionType::Choice && choices.is_empty() {
        let message = "a choice needs `choices`".to_owned();
        return wrong(compiler, entry.key.span, message, Some("add `choices: [restart, drain]`"));
    }
    let prompt =
        compiler.optional(node, "prompt", |c, field, node| c.scalar(field, node).map(str::to_owned))?;
    let pattern =
        compiler.optional(node, "pattern", |c, field, node| c.scalar(field, node).map(str::to_owned))?;
    if let (Some(source), Some(node)) = (&pattern, node.get("pattern"))
        && let Err(error) = Pattern::new(source)
    {
        return wrong(compiler, node.span, error.to_string(), None);
    }
    let mut limit = |key: &str| compiler.optional(node, key, |c, f, n| c.integer(f, n, i64::MIN..=i64::MAX));
    let (min, max) = (limit("min")?, limit("max")?);
    let required = compiler.optional(node, "required", Compiler::switch)?;
    let mut question = Question {
        prompt: prompt.unwrap_or_else(|| name.clone()),
        name,
        kind,
        required: required.unwrap_or(true),
        default: None,
        pattern,
        choices,
        min,
        max,
    };
    if let Some(node) = node.get("default") {
        let text = compiler.scalar("default", node)?;
        match question.accept(&Value::from(text)) {
            Ok(answer) => question.default = Some(answer),
            Err(problem) => {
                return wrong(compiler, node.span, format!("it is not an answer: {problem}"), None);
            }
        }
    }
    Some(question)
}
