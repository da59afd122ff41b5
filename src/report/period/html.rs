//! The report as one page that needs nothing else: no script, no address, light and dark, for a phone too.
//!
//! Everything that came from outside goes through [`escape`]; numbers and our own words are all that is written
//! as it is. Beside that the page forbids the browser scripts and requests.

use std::fmt::Write as _;

use super::figures::{Figures, GroupRecord, Outcomes, PeriodReport, TimelineRun};
use super::timeline::{Tick, lanes, ticks};
use super::words::{
    HEADS, about, cells, moment, outcomes, percent, percent_or_none, share, span, span_or_none,
};
use crate::run::RunStatus;
use crate::text::{escape_for_terminal, plural};

const STYLE: &str = include_str!("html.css");
/// Groups of a table, at most.
const MOST_GROUPS: usize = 50;
/// Runs of the list, at most.
const MOST_RUNS: usize = 100;
/// Where what a tick says would not fit behind it on a phone, in percent.
const LATE: f64 = 85.0;
/// The longest text from outside, in characters.
const LONGEST: usize = 300;

/// Writes the report as a page.
pub fn period_html(report: &PeriodReport) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let about = escape(&about(report));
    page.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>amflow report, {about}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>amflow report</h1><p>{about}</p></header>\n"
    ));
    cards(&mut page, &report.total);
    if report.total.runs == 0 {
        page.push_str("<p class=\"empty\">No run started in this time.</p>\n");
    } else {
        chart(&mut page, report);
        timeline(&mut page, report);
        table(&mut page, "By playbook", "Playbook", &report.playbooks);
        table(&mut page, "By alert", "Alert", &report.alertnames);
        runs(&mut page, report);
    }
    let made = moment(report.made_at);
    page.push_str(&format!(
        "<footer><p><b>T</b>: how long runs worked on alerts, added up over the alerts. <b>E</b>: that over the \
         time that the alerts were firing. <b>R</b>: from the beginning of an alert until it cleared, added up over \
         the m alerts that are known to have recovered. <b>Unchanged</b>: runs that only looked, or skipped all \
         that they could have done.</p><p>Made by amflow {} at {made}. Times are UTC.</p></footer>\n\
         </main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    ));
    page
}

fn cards(page: &mut String, f: &Figures) {
    page.push_str("<section class=\"cards\">\n");
    let mut card = |name: &str, value: String, says: String| {
        page.push_str(&format!(
            "<div class=\"card\"><h2>{name}</h2><p class=\"value\">{value}</p><p class=\"says\">{says}</p></div>\n"
        ));
    };
    let mut bar = String::from("<span class=\"ratio\">");
    for (word, count) in outcomes(f) {
        let _ = write!(bar, "<i class=\"{word}\" style=\"flex-grow:{count}\"></i>");
    }
    bar.push_str("</span>");
    let listed: Vec<_> = outcomes(f).iter().map(|(word, count)| format!("{count} {word}")).collect();
    card("Runs", f.runs.to_string(), format!("{bar}{}", listed.join(", ")));
    card(
        "Alerts",
        f.alerts.to_string(),
        format!("{} recovered, {} firing, {} unknown", f.recovered, f.still_firing, f.unknown),
    );
    card(
        "Time to recovery",
        span_or_none(f.time_to_recovery.map(|p| p.p50)),
        match f.time_to_recovery {
            Some(p) => format!("median; p90 {}, p99 {}", span(p.p90), span(p.p99)),
            None => "no alert is known to have recovered".to_owned(),
        },
    );
    card(
        "Recovery time R",
        span(f.recovery_seconds),
        format!("{} per alert (R/m)", span_or_none(f.recovery_seconds_per_alert)),
    );
    card(
        "Handling time T",
        span(f.handling_seconds),
        format!("{} per alert (T/n)", span_or_none(f.handling_seconds_per_alert)),
    );
    card(
        "Efficiency E",
        percent_or_none(f.efficiency),
        format!("handled, of {} firing", span(f.firing_seconds)),
    );
    card(
        "Noise",
        share(f.unchanged, f.runs).map_or_else(|| "-".to_owned(), percent),
        format!("{} changed nothing", plural(usize::try_from(f.unchanged).unwrap_or(usize::MAX), "run")),
    );
    page.push_str("</section>\n");
}

/// Stacked bars: how many runs started in each slot of time.
fn chart(page: &mut String, report: &PeriodReport) {
    let most = report.slots.iter().map(|slot| total(slot.outcomes)).max().unwrap_or_default().max(1);
    page.push_str("<section>\n<h2>Runs over time</h2>\n<p class=\"legend\">");
    for (word, _) in outcomes(&report.total) {
        page.push_str(&format!("<span><i class=\"{word}\"></i>{word}</span>"));
    }
    page.push_str(&format!(
        "<span class=\"faint\">a bar is {}, the highest {}</span></p>\n<div class=\"chart\">",
        span(seconds(report.slot_seconds)),
        plural(usize::try_from(most).unwrap_or(usize::MAX), "run")
    ));
    for slot in &report.slots {
        let o = slot.outcomes;
        let height = share(total(o), most).unwrap_or_default() * 100.0;
        page.push_str(&format!("<span title=\"{}", moment(slot.starts_at)));
        let parts = [
            ("unfinished", o.unfinished),
            ("rejected", o.rejected),
            ("cancelled", o.cancelled),
            ("failed", o.failed),
            ("succeeded", o.succeeded),
        ];
        for (word, count) in parts.iter().rev().filter(|(_, count)| *count > 0) {
            page.push_str(&format!(", {count} {word}"));
        }
        page.push_str("\"><b");
        page.push_str(&format!(" style=\"height:{height:.2}%\">"));
        for (word, count) in parts.iter().filter(|(_, count)| *count > 0) {
            page.push_str(&format!("<i class=\"{word}\" style=\"flex-grow:{count}\"></i>"));
        }
        page.push_str("</b></span>");
    }
    page.push_str("</div>\n");
    let slots = i64::try_from(report.slots.len()).unwrap_or(i64::MAX);
    axis(page, report, slots.saturating_mul(i64::try_from(report.slot_seconds).unwrap_or(1)), "axis");
    page.push_str("</section>\n");
}

/// A lane a playbook, a bar a run.
fn timeline(page: &mut String, report: &PeriodReport) {
    let (lanes, left_out) = lanes(report);
    page.push_str("<section>\n<h2>Timeline</h2>\n");
    let mut notes = Vec::new();
    if report.runs_left_out > 0 {
        notes.push(format!("the newest {} of {} runs", report.runs.len(), report.total.runs));
    }
    if left_out > 0 {
        notes.push(format!("{} left out", plural(left_out, "playbook")));
    }
    if report.runs.iter().any(|run| !run.changed && run.status.is_final()) {
        notes.push("pale: changed nothing".to_owned());
    }
    if lanes.iter().any(|lane| lane.crowded) {
        notes.push("newer bars lie on older ones where many ran at once".to_owned());
    }
    if !notes.is_empty() {
        page.push_str(&format!("<p class=\"faint\">{}</p>\n", notes.join("; ")));
    }
    page.push_str("<div class=\"lanes\">\n");
    for lane in lanes {
        page.push_str(&format!(
            "<div class=\"lane\"><h3>{}</h3><div class=\"track\" style=\"height:{}px\">",
            escape(lane.playbook),
            lane.rows.max(1) * 14 + 4
        ));
        for bar in lane.bars {
            let class = class(bar.run);
            page.push_str(&format!(
                "<i class=\"{class}\" style=\"left:min({:.3}%,100% - 4px);width:{:.3}%;top:{}px\" title=\"{}\"></i>",
                bar.left,
                bar.width,
                bar.row * 14 + 2,
                escape(&said(bar.run))
            ));
        }
        page.push_str("</div></div>\n");
    }
    page.push_str("</div>\n");
    axis(page, report, report.until.as_second() - report.since.as_second(), "axis of-lanes");
    page.push_str("</section>\n");
}

/// An axis of so many seconds, from the beginning of the period.
fn axis(page: &mut String, report: &PeriodReport, seconds: i64, class: &str) {
    page.push_str(&format!("<div class=\"{class}\">"));
    for Tick { left, says } in ticks(report.since, seconds) {
        // What a tick near the end says stands before it, and not beyond the page.
        let late = if left > LATE { " class=\"late\"" } else { "" };
        page.push_str(&format!("<span{late} style=\"left:{left:.2}%\">{says}</span>"));
    }
    page.push_str("</div>\n");
}

fn table(page: &mut String, title: &str, head: &str, groups: &[GroupRecord]) {
    page.push_str(&format!("<section>\n<h2>{title}</h2>\n<div class=\"wide\"><table>\n<tr><th>{head}</th>"));
    for head in HEADS {
        let head = if head.len() > 3 { head.to_lowercase() } else { head.to_owned() };
        page.push_str(&format!("<th class=\"n\">{head}</th>"));
    }
    page.push_str("</tr>\n");
    for group in groups.iter().take(MOST_GROUPS) {
        let name = if group.name.is_empty() { "(no name)" } else { &group.name };
        page.push_str(&format!("<tr><td>{}</td>", escape(name)));
        for cell in cells(&group.figures) {
            page.push_str(&format!("<td class=\"n\">{cell}</td>"));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
    more(page, groups.len(), MOST_GROUPS, "more line");
    page.push_str("</section>\n");
}

fn runs(page: &mut String, report: &PeriodReport) {
    page.push_str(
        "<section>\n<h2>Newest runs</h2>\n<div class=\"wide\"><table class=\"runs\">\n<tr><th>Started</th><th>Status</th>\
         <th>Playbook</th><th>Target</th><th class=\"n\">Took</th><th>Why</th><th>Run</th></tr>\n",
    );
    for run in report.runs.iter().take(MOST_RUNS) {
        page.push_str(&format!(
            "<tr><td>{}</td><td><span class=\"pill {}\">{}</span></td><td>{}</td><td class=\"long\">{}</td>\
             <td class=\"n\">{}</td><td class=\"long\">{}</td><td><code>{}</code></td></tr>\n",
            moment(run.started_at),
            word(run.status),
            run.status.as_str(),
            escape(&run.playbook),
            escape(&run.target),
            took(run),
            escape(&run.reason),
            escape(crate::report::short_id(&run.run)),
        ));
    }
    page.push_str("</table></div>\n");
    more(page, usize::try_from(report.total.runs).unwrap_or(usize::MAX), MOST_RUNS, "older run");
    page.push_str("</section>\n");
}

fn more(page: &mut String, all: usize, shown: usize, noun: &str) {
    if let Some(more) = all.checked_sub(shown).filter(|more| *more > 0) {
        page.push_str(&format!("<p class=\"faint\">and {}</p>\n", plural(more, noun)));
    }
}

/// What a bar says of its run.
fn said(run: &TimelineRun) -> String {
    let mut said = format!("{} {}, {}", run.playbook, run.status.as_str(), moment(run.started_at));
    let took = took(run);
    if took != "-" {
        said.push_str(&format!(", took {took}"));
    }
    said.push_str(&format!(", {}", run.target));
    if !run.reason.is_empty() {
        said.push_str(&format!(": {}", run.reason));
    }
    said
}

fn took(run: &TimelineRun) -> String {
    run.ended_at.map_or_else(
        || "-".to_owned(),
        |until| span(until.duration_since(run.started_at).as_secs_f64().max(0.0)),
    )
}

/// The classes of a bar.
fn class(run: &TimelineRun) -> String {
    let quiet = if run.changed || !run.status.is_final() { "" } else { " unchanged" };
    format!("{}{quiet}", word(run.status))
}

/// The class by which a status is coloured.
fn word(status: RunStatus) -> &'static str {
    if status.is_final() { status.as_str() } else { "unfinished" }
}

fn total(o: Outcomes) -> u64 {
    o.succeeded + o.failed + o.cancelled + o.rejected + o.unfinished
}

#[expect(clippy::cast_precision_loss, reason = "a slot is no longer than centuries")]
fn seconds(slot: u64) -> f64 {
    slot as f64
}

/// Makes text stand for itself, in an element and in a quoted attribute; cut when it is a book.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let shown = escape_for_terminal(text);
    let mut chars = shown.chars();
    for c in chars.by_ref().take(LONGEST) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    if chars.next().is_some() {
        escaped.push('\u{2026}');
    }
    escaped
}
