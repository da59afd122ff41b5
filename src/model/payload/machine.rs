//! The grammar of documents with alerts. Main type: [`Machine`].

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::frame::{Context, Envelope, Expect, Frame, List, Origin, Seen};
use super::head::{ENVELOPE, Head};
use super::preamble::{Found, MAX_LINE, Preamble, RIGHT_PLACES, shown};
use super::raw::{NO_LABELS, RawAlert, RawLabels};
use super::report::{BadAlert, PayloadError, ReadStats, Shape, clipped};
use super::value::{self, Read};
use crate::model::fingerprint::Fingerprint;

/// How many characters are shown of what stands before a break.
const CONTEXT: usize = 40;
const MESSAGES: &str = "only JSON belongs there, one document or several: does the command before the pipe print \
     messages too, or does `2>&1` mix them in?";
const WHERE_IT_IS_WRITTEN: &str = "it has to be mended by what writes it: nothing was started";
const DOUBLE_QUOTES: &str = "JSON has double quotes: Python writes it with `json.dumps`";

/// The grammar: what is open, and what was seen.
pub(super) struct Machine {
    origin: Origin,
    frames: Vec<Frame>,
    preamble: Preamble,
    pub(super) stats: ReadStats,
}

/// What became of an attempt to go on.
enum Step {
    /// The next byte to read.
    At(usize),
    /// More bytes are needed.
    More,
}

impl Machine {
    pub(super) fn new(source: &str) -> Self {
        let (frames, preamble) = (Vec::new(), Preamble::default());
        Self { origin: Origin::new(source), frames, preamble, stats: ReadStats::default() }
    }

    pub(super) fn context<'a>(&'a self, bytes: &'a [u8]) -> Context<'a> {
        Context { bytes, origin: &self.origin, frames: &self.frames }
    }

    /// Reads what is complete; returns how many bytes are done with. `last` tells that no more follow.
    pub(super) fn run<V>(&mut self, bytes: &[u8], last: bool, visit: &mut V) -> Result<usize, PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        let mut at = 0;
        loop {
            at += bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
            if at == bytes.len() {
                break;
            }
            let step = match self.frames.last_mut() {
                None => self.top(bytes, at, last, visit)?,
                Some(Frame::List(_)) => self.list(bytes, at, last, visit)?,
                Some(Frame::Envelope(_)) => self.envelope(bytes, at, last)?,
            };
            match step {
                Step::At(next) => at = next,
                Step::More => break,
            }
        }
        self.origin.pass(&bytes[..at]);
        Ok(at)
    }

    /// Judges what is left when the input is over.
    pub(super) fn end(&self, left: &[u8]) -> Result<(), PayloadError> {
        let context = self.context(left);
        if !self.frames.is_empty() || !left.is_empty() {
            return Err(PayloadError::CutOff { place: context.place(left.len(), "") });
        }
        match self.preamble.nothing_else() {
            Some(error) if self.stats.is_empty_input() => Err(error),
            _ => self.stats.all_bad().map_or(Ok(()), Err),
        }
    }

    /// Between documents.
    fn top<V>(&mut self, bytes: &[u8], at: usize, last: bool, visit: &mut V) -> Result<Step, PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        if self.stats.is_empty_input() {
            let context = Context { bytes, origin: &self.origin, frames: &self.frames };
            match self.preamble.look(context, at, last, &mut self.stats)? {
                Found::Json => {}
                Found::Skip(count) => return Ok(Step::At(at + count)),
                Found::Unknown => return Ok(Step::More),
            }
        }
        match bytes[at] {
            b'[' => {
                self.stats.documents += 1;
                self.frames.push(Frame::list(false));
                Ok(Step::At(at + 1))
            }
            b'{' => {
                let next = self.element::<true, V>(bytes, at, last, visit)?;
                self.stats.documents += u64::from(matches!(next, Step::At(_)));
                Ok(next)
            }
            // An empty Go slice.
            b'n' if bytes[at..].starts_with(b"null") => {
                self.stats.documents += 1;
                Ok(Step::At(at + 4))
            }
            b'n' if b"null".starts_with(&bytes[at..]) && !last => Ok(Step::More),
            _ => self.after_documents(bytes, at, last),
        }
    }

    /// What stands where only another document may: often a message of the command that wrote them.
    fn after_documents(&self, bytes: &[u8], at: usize, last: bool) -> Result<Step, PayloadError> {
        let rest = &bytes[at..];
        let whole = last || rest.len() > MAX_LINE || rest.contains(&b'\n');
        if !whole {
            return Ok(Step::More);
        }
        let problem = format!("expected `{{` or `[`, or the end of the input, and found `{}`", shown(rest));
        let place = self.context(bytes).place(at, "");
        Err(PayloadError::Broken { place, problem, hint: MESSAGES })
    }

    /// Inside of an array.
    fn list<V>(&mut self, bytes: &[u8], at: usize, last: bool, visit: &mut V) -> Result<Step, PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        let Some(Frame::List(list)) = self.frames.last_mut() else { return Ok(Step::At(at)) };
        match (list.expects, bytes[at]) {
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b']') => {
                let empty = list.index == 0 && !list.inner;
                self.frames.pop();
                if empty {
                    self.stats.saw(Shape::ApiV2);
                }
                self.value_done();
                Ok(Step::At(at + 1))
            }
            (Expect::CommaOrEnd, b',') => {
                list.expects = Expect::Next;
                Ok(Step::At(at + 1))
            }
            (Expect::CommaOrEnd, _) => Err(self.broken(bytes, at, "expected `,` or `]`", "")),
            (_, b']') => Err(self.broken(bytes, at, "a comma before the end of a list", "")),
            _ if list.inner => self.element::<false, V>(bytes, at, last, visit),
            _ => self.element::<true, V>(bytes, at, last, visit),
        }
    }

    /// Reads one alert; with `OUTER` it may be found to be an envelope, and then that is opened.
    fn element<const OUTER: bool, V>(
        &mut self,
        bytes: &[u8],
        at: usize,
        last: bool,
        visit: &mut V,
    ) -> Result<Step, PayloadError>
    where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        match self.value::<Head<'_, OUTER>>(bytes, at, last)? {
            Read::More => Ok(Step::More),
            Read::Wrong(error, _) if OUTER && error.to_string().starts_with(ENVELOPE) => {
                self.frames.push(Frame::envelope(false));
                Ok(Step::At(at + 1))
            }
            Read::Wrong(error, end) => {
                let (path, reason) = value::why_wrong(&bytes[at..end], &error);
                self.refuse(bytes, at, &path, reason);
                self.value_done();
                Ok(Step::At(end))
            }
            Read::Value(head, end) => {
                let shape = self.shape(head.of_prometheus);
                if let Some(labels) = head.labels {
                    // An envelope is recorded when it ends, for only then all is known about it.
                    if OUTER {
                        self.stats.saw(shape);
                    }
                    if head.pending {
                        self.stats.pending += 1;
                    } else {
                        let json = &bytes[at..end];
                        self.alert(labels, head.fingerprint, shape, (bytes, at, json), visit);
                    }
                } else if OUTER {
                    self.without_labels(bytes, at, end)?;
                } else {
                    self.refuse(bytes, at, "", NO_LABELS.to_owned());
                }
                self.value_done();
                Ok(Step::At(end))
            }
        }
    }

    fn alert<V>(
        &mut self,
        labels: RawLabels<'_>,
        fingerprint: Option<Fingerprint>,
        shape: Shape,
        (bytes, at, json): (&[u8], usize, &[u8]),
        visit: &mut V,
    ) where
        V: FnMut(&RawAlert<'_>) -> Result<(), BadAlert>,
    {
        self.stats.alerts += 1;
        let context = Context { bytes, origin: &self.origin, frames: &self.frames };
        let verdict = match labels.problem() {
            Some((path, reason)) => {
                Err(BadAlert { place: context.place(at, &path), reason: reason.to_owned() })
            }
            None => visit(&RawAlert { labels, fingerprint, shape, json, at, context }),
        };
        if let Err(bad) = verdict {
            self.stats.add_bad(bad);
        }
    }

    /// Records what stands where an alert should, but cannot be handed on as one: it was read all the same.
    fn refuse(&mut self, bytes: &[u8], at: usize, path: &str, reason: String) {
        let place = self.context(bytes).place(at, path);
        self.stats.alerts += 1;
        self.stats.add_bad(BadAlert { place, reason });
    }

    /// An object that has neither labels nor alerts: often what a server answers when something went wrong.
    fn without_labels(&mut self, bytes: &[u8], at: usize, end: usize) -> Result<(), PayloadError> {
        let place = self.context(bytes).place(at, "");
        let object: Value = serde_json::from_slice(&bytes[at..end]).unwrap_or_default();
        if let Some(message) = ["message", "error", "detail"].iter().find_map(|key| object.get(key)?.as_str())
        {
            return Err(PayloadError::ErrorAnswer { place, message: clipped(message) });
        }
        if self.frames.is_empty() {
            let problem = "an object with neither `labels` nor `alerts`".to_owned();
            return Err(PayloadError::NotAlerts { place, problem, hint: RIGHT_PLACES });
        }
        let is_silence = object.get("matchers").is_some() && object.get("createdBy").is_some();
        let reason = if is_silence { "this is a silence, not an alert" } else { NO_LABELS };
        self.refuse(bytes, at, "", reason.to_owned());
        Ok(())
    }

    /// Inside of an object around alerts.
    fn envelope(&mut self, bytes: &[u8], at: usize, last: bool) -> Result<Step, PayloadError> {
        let Some(Frame::Envelope(envelope)) = self.frames.last_mut() else { return Ok(Step::At(at)) };
        match (envelope.expects, bytes[at]) {
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b'}') => {
                self.close_envelope(bytes, at)?;
                Ok(Step::At(at + 1))
            }
            (Expect::CommaOrEnd, b',') => {
                envelope.key.clear();
                envelope.expects = Expect::Next;
                Ok(Step::At(at + 1))
            }
            (Expect::CommaOrEnd, _) => Err(self.broken(bytes, at, "expected `,` or `}`", "")),
            (Expect::FirstOrEnd | Expect::Next, b'"') => match self.value::<String>(bytes, at, last)? {
                Read::Value(key, end) => {
                    self.set(|envelope| (envelope.key, envelope.expects) = (key, Expect::Colon));
                    Ok(Step::At(end))
                }
                Read::Wrong(_, end) => {
                    self.set(|envelope| envelope.expects = Expect::Colon);
                    Ok(Step::At(end))
                }
                Read::More => Ok(Step::More),
            },
            (Expect::FirstOrEnd | Expect::Next, _) => {
                Err(self.broken(bytes, at, "expected a key in double quotes", ""))
            }
            (Expect::Colon, b':') => {
                envelope.expects = Expect::Value;
                Ok(Step::At(at + 1))
            }
            (Expect::Colon, _) => Err(self.broken(bytes, at, "expected `:`", "")),
            (Expect::Value, b'[') if envelope.key == "alerts" => {
                envelope.seen.alerts = true;
                self.frames.push(Frame::list(true));
                Ok(Step::At(at + 1))
            }
            (Expect::Value, b'{') if envelope.key == "data" && !envelope.is_data => {
                envelope.seen.data = true;
                self.frames.push(Frame::envelope(true));
                Ok(Step::At(at + 1))
            }
            (Expect::Value, _) => self.member(bytes, at, last),
        }
    }

    /// Reads the value of a member that is not the alerts themselves.
    fn member(&mut self, bytes: &[u8], at: usize, last: bool) -> Result<Step, PayloadError> {
        let Some(Frame::Envelope(envelope)) = self.frames.last() else { return Ok(Step::At(at)) };
        let telling = matches!(
            envelope.key.as_str(),
            "alerts" | "status" | "version" | "orgId" | "truncatedAlerts" | "groupKey" | "error" | "message"
        );
        if !telling {
            return Ok(match self.value::<IgnoredAny>(bytes, at, last)? {
                Read::Value(_, end) | Read::Wrong(_, end) => {
                    self.set(|envelope| envelope.seen.rules |= envelope.is_data && envelope.key == "groups");
                    self.value_done();
                    Step::At(end)
                }
                Read::More => Step::More,
            });
        }
        let (value, end) = match self.value::<Value>(bytes, at, last)? {
            Read::Value(value, end) => (value, end),
            Read::Wrong(_, end) => (Value::Null, end),
            Read::More => return Ok(Step::More),
        };
        let text = value.as_str().map(str::to_owned);
        let mut wrong_alerts = false;
        self.set(|envelope| {
            let seen = &mut envelope.seen;
            match envelope.key.as_str() {
                "alerts" if value.is_null() => seen.alerts = true,
                "alerts" => wrong_alerts = true,
                "status" => seen.status = text,
                "version" => seen.version = text,
                "orgId" => seen.org_id = true,
                "truncatedAlerts" => seen.truncated = value.as_u64().unwrap_or(0),
                "groupKey" => seen.webhook = true,
                _ => seen.error = text,
            }
        });
        if wrong_alerts {
            let place = self.context(bytes).place(at, "");
            let problem = "`alerts` is not a list".to_owned();
            return Err(PayloadError::NotAlerts { place, problem, hint: RIGHT_PLACES });
        }
        self.value_done();
        Ok(Step::At(end))
    }

    fn close_envelope(&mut self, bytes: &[u8], at: usize) -> Result<(), PayloadError> {
        let Some(Frame::Envelope(envelope)) = self.frames.pop() else { return Ok(()) };
        let Seen { alerts, data, org_id, webhook, version, status, error, rules, truncated } = envelope.seen;
        if envelope.is_data {
            if !alerts {
                let place = self.context(bytes).place(at, "");
                let problem = if rules {
                    "these are rules, as of `/api/v1/rules`; alerts are at `/api/v1/alerts`"
                } else {
                    "`data` holds no `alerts`"
                };
                return Err(PayloadError::NotAlerts {
                    place,
                    problem: problem.to_owned(),
                    hint: RIGHT_PLACES,
                });
            }
            self.stats.saw(Shape::Prometheus);
        } else if !alerts && !data {
            let place = self.context(bytes).place(at, "");
            if let Some(message) = error {
                return Err(PayloadError::ErrorAnswer { place, message: clipped(&message) });
            }
            let problem = "this object holds no `alerts`".to_owned();
            return Err(PayloadError::NotAlerts { place, problem, hint: RIGHT_PLACES });
        } else if alerts {
            self.stats.saw(match version.as_deref() {
                _ if org_id => Shape::Grafana,
                None if !webhook && status.is_none() => Shape::Groups,
                _ => Shape::Webhook,
            });
            self.stats.truncated = self.stats.truncated.saturating_add(truncated);
        }
        self.value_done();
        Ok(())
    }

    /// The shape of an alert by where it stands and what was seen of its envelope so far.
    fn shape(&self, of_prometheus: bool) -> Shape {
        match self.frames.as_slice() {
            _ if of_prometheus => Shape::Prometheus,
            [] => Shape::Single,
            [Frame::List(List { inner: false, .. })] => Shape::ApiV2,
            [Frame::List(_), Frame::Envelope(_), ..] => Shape::Groups,
            [Frame::Envelope(envelope), ..] if envelope.seen.org_id => Shape::Grafana,
            [Frame::Envelope(envelope), ..] if envelope.key == "data" => Shape::Prometheus,
            _ => Shape::Webhook,
        }
    }

    /// A value has been read: what holds it expects a comma or its end.
    fn value_done(&mut self) {
        match self.frames.last_mut() {
            Some(Frame::List(list)) => {
                list.index += 1;
                list.expects = Expect::CommaOrEnd;
            }
            Some(Frame::Envelope(envelope)) => envelope.expects = Expect::CommaOrEnd,
            None => {}
        }
    }

    fn set(&mut self, change: impl FnOnce(&mut Envelope)) {
        if let Some(Frame::Envelope(envelope)) = self.frames.last_mut() {
            change(envelope);
        }
    }

    /// Reads one value of a type.
    fn value<'a, T: Deserialize<'a>>(
        &self,
        bytes: &'a [u8],
        at: usize,
        last: bool,
    ) -> Result<Read<T>, PayloadError> {
        value::read(bytes, at, last).map_err(|(offset, problem)| {
            let before = shown_end(&bytes[at..offset]);
            let after = if before.is_empty() { before } else { format!(" after `{before}`") };
            self.broken(bytes, offset, &problem, &after)
        })
    }

    /// Makes the error of a byte that may not stand where it does. It is shown; what comes after it may not
    /// have been read yet.
    fn broken(&self, bytes: &[u8], at: usize, problem: &str, after: &str) -> PayloadError {
        let place = self.context(bytes).place(at, "");
        let byte = bytes.get(at).copied();
        let problem = match byte {
            Some(byte) if byte.is_ascii_graphic() => format!("{problem}, not `{}`{after}", char::from(byte)),
            _ => format!("{problem},{after}").trim_end_matches(',').to_owned(),
        };
        let hint = if byte == Some(b'\'') { DOUBLE_QUOTES } else { WHERE_IT_IS_WRITTEN };
        PayloadError::Broken { place, problem, hint }
    }
}

/// Returns the end of what was good in a broken value.
fn shown_end(good: &[u8]) -> String {
    let text = String::from_utf8_lossy(&good[good.len().saturating_sub(4 * CONTEXT)..]);
    let line = text.lines().next_back().unwrap_or_default().trim();
    let skipped = line.chars().count().saturating_sub(CONTEXT);
    let end: String = line.chars().skip(skipped).filter(|c| !c.is_control()).collect();
    if skipped > 0 { format!("…{end}") } else { end }
}
