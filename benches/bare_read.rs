//! What `amflow plan` is measured against: reads a list of alerts from standard input into borrowed structs, one
//! after the other in a buffer that stays small, and does nothing with them.
//!
//! It takes the fastest way that was found with `serde_json`: no line or element is looked for beforehand; one
//! element is read from the buffer, and when it turns out to be incomplete, more bytes are read.
#![expect(clippy::disallowed_methods, reason = "a program of its own, which prints")]

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// An alert as Alertmanager's API v2 writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow)]
    annotations: Pairs<'a>,
    #[serde(borrow)]
    starts_at: Text<'a>,
    #[serde(borrow)]
    ends_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow, rename = "generatorURL")]
    generator_url: Text<'a>,
    #[serde(borrow)]
    fingerprint: Text<'a>,
    #[serde(borrow)]
    receivers: Vec<Receiver<'a>>,
    #[serde(borrow)]
    status: Status<'a>,
}

#[derive(Deserialize)]
struct Receiver<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    silenced_by: Vec<Text<'a>>,
    #[serde(borrow)]
    inhibited_by: Vec<Text<'a>>,
}

/// Text that is borrowed from the buffer unless it holds escapes.
struct Text<'a>(Cow<'a, str>);

/// The members of an object whose values are text.
struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

/// What was read, so that nothing of the work can be left out.
#[derive(Default, Serialize)]
struct Sum {
    alerts: u64,
    labels: usize,
    bytes: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut input, mut sum) = (io::stdin().lock(), Sum::default());
    let (mut buffer, mut start, mut end) = (vec![0; 2 * CHUNK], 0, 0);
    loop {
        buffer.copy_within(start..end, 0);
        (start, end) = (0, end - start);
        let wanted = buffer.len().max(end + CHUNK);
        buffer.resize(wanted, 0);
        let count = input.read(&mut buffer[end..])?;
        if count == 0 {
            break;
        }
        end += count;
        loop {
            let between = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'[' | b']');
            start += buffer[start..end].iter().take_while(between).count();
            let mut elements =
                serde_json::Deserializer::from_slice(&buffer[start..end]).into_iter::<Alert<'_>>();
            match elements.next() {
                Some(Ok(alert)) => sum.add(&alert),
                Some(Err(error)) if !error.is_eof() => return Err(error.into()),
                _ => break,
            }
            start += elements.byte_offset();
        }
    }
    serde_json::to_writer(io::stdout().lock(), &sum)?;
    Ok(())
}

impl Sum {
    fn add(&mut self, alert: &Alert<'_>) {
        self.alerts += 1;
        self.labels += alert.labels.0.len();
        let status = &alert.status;
        self.bytes += alert.labels.bytes() + alert.annotations.bytes();
        for text in
            [&alert.starts_at, &alert.ends_at, &alert.updated_at, &alert.generator_url, &alert.fingerprint]
        {
            self.bytes += text.0.len();
        }
        let names = alert.receivers.iter().map(|receiver| &receiver.name);
        let muted = status.silenced_by.iter().chain(&status.inhibited_by).chain([&status.state]);
        self.bytes += names.chain(muted).map(|text| text.0.len()).sum::<usize>();
    }
}

impl Pairs<'_> {
    fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.0.len() + value.0.len()).sum()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
            type Value = Pairs<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'a>, A::Error> {
                let mut pairs = Vec::with_capacity(12);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Texts<'a> {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts(PhantomData))
    }
}
