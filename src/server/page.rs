//! The page of a task: what is asked, and a form to decide it. Looking at it changes nothing: programs that read
//! mail follow links. It needs no scripts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use url::form_urlencoded;

use super::links::{Link, LinkError};
use super::people::{decided, status_of};
use super::routes::App;
use crate::engine::{RunTask, Say, TaskStatus, find_task};
use crate::report::{planned_lines, with_answers};
use crate::step::{Question, QuestionType};

/// Bytes of a form, at most.
const MOST_BYTES: usize = 256 * 1024;
/// Lines about one effect that are shown.
const DETAILS: usize = 40;
/// Fields that are answers begin with this, so that no question can be taken for another field.
const ANSWER: &str = "answer.";

/// The page loads nothing but its own style, sends its form nowhere else, stands in no frame, and is kept nowhere.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

const STYLE: &str = "\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; white-space: pre-wrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 1rem 0; }
dt { opacity: .7; } dd { margin: 0; }
pre { padding: .8rem; overflow-x: auto; border: 1px solid; border-radius: .4rem; font-size: .85rem; }
label { display: block; margin: .8rem 0; }
input, select, textarea { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; }
button { font: inherit; padding: .7rem 1.4rem; margin: .5rem .5rem 0 0; border: 1px solid; border-radius: .4rem; }
button.approve { background: #137333; color: #fff; } button.reject { background: #b3261e; color: #fff; }
.note { padding: .8rem; border-left: .3rem solid #b3261e; }
";

/// The style of the page.
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], STYLE)
        .into_response()
}

/// Shows a task to who has a link to it.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let token = fields(query.unwrap_or_default().as_bytes()).remove("t").unwrap_or_default();
    let found = match found(&app, &run, &token).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    task_page(StatusCode::OK, &found, &token, &Typed::default(), None)
}

/// Takes what was said to a task.
pub(super) async fn say(State(app): State<Arc<App>>, Path(run): Path<String>, body: Body) -> Response {
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return page(StatusCode::PAYLOAD_TOO_LARGE, "Too long", "What was typed is too long.");
    };
    let mut fields = fields(&body);
    let token = fields.remove("t").unwrap_or_default();
    let Found { task, link } = match found(&app, &run, &token).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let approve = match fields.remove("decision").as_deref() {
        Some("approve") => true,
        Some("reject") => false,
        _ => return page(StatusCode::BAD_REQUEST, "Nothing was decided", "Approve it, or reject it."),
    };
    let comment = fields.remove("comment").unwrap_or_default();
    let answers = fields.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(ANSWER)?.to_owned();
        Some((name, value))
    });
    let typed = Typed { comment, answers: answers.collect() };
    let given = typed.answers.iter().filter(|(_, value)| approve && !value.is_empty());
    let inputs = given.map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    let groups = app.in_force().people.groups_of(&link.who);
    let say = Say {
        approve,
        by: link.who.clone(),
        groups,
        comment: typed.comment.clone(),
        inputs,
        digest: Some(link.digest.clone()),
        via: "link".to_owned(),
    };
    match decided(&app, &link.run, Some(&link.step), say).await {
        Ok(task) => task_page(StatusCode::OK, &Found { task, link }, &token, &Typed::default(), None),
        Err(error) => {
            let why = error.to_string();
            task_page(status_of(&error), &Found { task, link }, &token, &typed, Some(&why))
        }
    }
}

/// What somebody typed into the form: it is there again when the form is.
#[derive(Default)]
struct Typed {
    comment: String,
    /// By question, also those that were left empty.
    answers: BTreeMap<String, String>,
}

/// A task, and the link by which it was found.
struct Found {
    task: RunTask,
    link: Link,
}

async fn found(app: &App, run: &str, token: &str) -> Result<Found, Response> {
    let now = app.clock.now();
    let in_force = app.in_force();
    let read = in_force.links.as_ref().ok_or(LinkError::Forged).and_then(|links| links.read(token, now));
    let link = read.and_then(|link| if link.run == run { Ok(link) } else { Err(LinkError::Forged) });
    let link = link.map_err(|error| {
        let status = match error {
            LinkError::Forged => StatusCode::FORBIDDEN,
            LinkError::Expired => StatusCode::GONE,
        };
        page(status, "This link is not good", &error.to_string())
    })?;
    let engine = app.service.engine();
    match find_task(engine.store().as_ref(), run, Some(&link.step), now).await {
        Ok(task) => Ok(Found { task, link }),
        Err(error) => Err(page(status_of(&error), "There is nothing to decide", &error.to_string())),
    }
}

/// Reads a form, or a query; of a field that is given twice the first counts.
fn fields(text: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text) {
        fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    fields
}

fn task_page(
    status: StatusCode,
    found: &Found,
    token: &str,
    typed: &Typed,
    trouble: Option<&str>,
) -> Response {
    let Found { task: found, link } = found;
    let task = &found.state.task;
    let mut body = format!("<h1>{}</h1>\n", escaped(&task.prompt));
    if let Some(trouble) = trouble {
        let _ = writeln!(body, "<p class=\"note\">It was not decided: {}</p>", escaped(trouble));
    }
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut rows = vec![
        ("Playbook", found.run.header.playbook.clone()),
        ("Target", found.run.header.target.clone()),
        ("Run", format!("{}/{}", found.run.header.run, found.state.step)),
        ("Asked", format!("{} of {}", time(task.asked_at), task.whom())),
    ];
    rows.extend(task.deadline.map(|until| ("Until", time(until))));
    rows.extend(found.state.again.clone().map(|why| ("Asked again", why)));
    for said in &found.state.decisions {
        let verb = if said.approve { "Approved" } else { "Rejected" };
        let comment = if said.comment.is_empty() { String::new() } else { format!(": {}", said.comment) };
        let old = if said.digest == task.digest { "" } else { " (what was asked before)" };
        let answers = with_answers(&said.inputs);
        rows.push((verb, format!("by {} at {}{answers}{old}{comment}", said.by, time(said.at))));
    }
    body.push_str("<dl>\n");
    for (name, value) in rows {
        let _ = writeln!(body, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    body.push_str("</dl>\n<h2>What happens when it is approved</h2>\n");
    let plan = planned_lines(&task.plan, DETAILS);
    if plan.is_empty() {
        body.push_str("<p>Nothing, up to the end or the next approval.</p>\n");
    } else {
        let _ = writeln!(body, "<pre>{}</pre>", escaped(&plan.join("\n")));
    }
    match &found.status {
        TaskStatus::Open { .. } if task.digest != link.digest => body.push_str(
            "<p class=\"note\">What it would do has changed since this link was made: ask for a new one.</p>\n",
        ),
        TaskStatus::Open { missing } if has_said(found, link) => {
            let _ = writeln!(body, "<p class=\"note\">You have approved it; {missing} more must.</p>");
        }
        TaskStatus::Open { .. } => form(&mut body, found, link, token, typed),
        status => {
            let _ = writeln!(body, "<p class=\"note\">It is {}.</p>", status.as_str());
        }
    }
    html(status, &task.prompt, &body)
}

fn has_said(found: &RunTask, link: &Link) -> bool {
    found.state.decisions.iter().any(|said| said.by == link.who && said.digest == link.digest)
}

fn form(body: &mut String, found: &RunTask, link: &Link, token: &str, typed: &Typed) {
    let action = escaped(&found.run.header.run);
    let _ = writeln!(body, "<form method=\"post\" action=\"{action}\" accept-charset=\"utf-8\">");
    let _ = writeln!(body, "<input type=\"hidden\" name=\"t\" value=\"{}\">", escaped(token));
    let (task, decisions) = (&found.state.task, &found.state.decisions);
    for question in &task.questions {
        let earlier = task.answered(decisions, &question.name);
        field(body, question, typed.answers.get(&question.name).map(String::as_str), earlier);
    }
    // A line break right after the tag would be taken for none of the text.
    let _ = writeln!(
        body,
        "<label>Comment<textarea name=\"comment\" rows=\"2\" maxlength=\"4000\">\n{}</textarea></label>",
        escaped(&typed.comment)
    );
    let _ = writeln!(
        body,
        "<p>You decide as <strong>{}</strong>.</p>\n\
         <button class=\"approve\" name=\"decision\" value=\"approve\">Approve</button>\n\
         <button class=\"reject\" name=\"decision\" value=\"reject\" formnovalidate>Reject</button>\n</form>",
        escaped(&link.who)
    );
}

/// Writes the field of a question, preset with what was typed, else with what somebody has answered already, else
/// with its default.
fn field(body: &mut String, question: &Question, typed: Option<&str>, earlier: Option<(&str, &Value)>) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let preset = earlier.map(|(_, answer)| answer).or(question.default.as_ref());
    let preset = typed.map(str::to_owned).or_else(|| preset.map(text)).unwrap_or_default();
    let name = escaped(&format!("{ANSWER}{}", question.name));
    let needed =
        if question.required && question.default.is_none() && earlier.is_none() { " required" } else { "" };
    let _ = write!(body, "<label>{}", escaped(&question.prompt));
    let choices: Vec<String> = match question.kind {
        QuestionType::Bool => vec!["true".to_owned(), "false".to_owned()],
        QuestionType::Choice => question.choices.clone(),
        QuestionType::String | QuestionType::Int => Vec::new(),
    };
    if choices.is_empty() {
        let kind = if question.kind == QuestionType::Int { "number" } else { "text" };
        let value = escaped(&preset);
        let _ = write!(body, "<input type=\"{kind}\" name=\"{name}\" value=\"{value}\"{needed}>");
    } else {
        let _ = write!(body, "<select name=\"{name}\"{needed}><option></option>");
        for choice in choices {
            let selected = if choice == preset { " selected" } else { "" };
            let _ = write!(body, "<option{selected}>{}</option>", escaped(&choice));
        }
        body.push_str("</select>");
    }
    let mut says = question.wanted();
    if let Some((by, answer)) = earlier {
        let _ = write!(says, "; {by} has answered {}: say the same, or nothing", text(answer));
    }
    let _ = writeln!(body, "<small>{}</small></label>", escaped(&says));
}

fn page(status: StatusCode, title: &str, says: &str) -> Response {
    html(status, title, &format!("<h1>{}</h1>\n<p class=\"note\">{}</p>\n", escaped(title), escaped(says)))
}

fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} - amflow</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title)
    );
    let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Writes a text so that it is text in HTML, also in quotes. What turns the direction of writing, and other
/// characters that cannot be seen, stand as their numbers: a page must not read otherwise than it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("<b a=\"1\" b='2'>&"), "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;");
        assert_eq!(escaped("a\u{202e}b\0\u{1b}[0m\nc"), "a\\u{202e}b\\u{0}\\u{1b}[0m\nc");
    }

    #[test]
    fn of_a_field_that_is_given_twice_the_first_counts() {
        let read = fields(b"t=a+b%3D&decision=reject&decision=approve&x");
        assert_eq!(
            (read["t"].as_str(), read["decision"].as_str(), read["x"].as_str()),
            ("a b=", "reject", "")
        );
    }
}
