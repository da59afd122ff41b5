//! A body that is sent plain, compressed, in pieces, or signed is answered alike.

use std::io::Write as _;
use std::path::Path;

use amflow::model::read_alerts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::hmac;

use super::input::{Dice, files};
use super::server::{TOKEN, USER, World, block_on, now};

pub(crate) fn seeds(root: &Path) -> Vec<Vec<u8>> {
    files(&root.join("tests/fixtures/payloads"))
}

/// The input is a body.
pub(crate) fn check(body: &[u8]) {
    let (mut dice, level) = (Dice::of(body), Dice::of(body).below(10));
    let packed = gzip(body, u32::try_from(level).unwrap_or_default());
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode(format!("{USER}:{TOKEN}")));
    let bearer = format!("Authorization: bearer  {TOKEN} \r\n");
    let gzipped = "content-encoding: GZip\r\n";
    let signed = |sent: &[u8]| {
        let time = now().as_second();
        let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes());
        let signature = hmac::sign(&key, &[format!("{time}:").as_bytes(), sent].concat());
        let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("x-signature: {hex}\r\nx-time: {time}\r\n")
    };
    let ways = [
        whole(&basic, body),
        chunked(&bearer, body, || 1 + dice.below(300)),
        whole(&format!("{bearer}{gzipped}"), &packed),
        whole(&signed(body), body),
        chunked(&format!("{}{gzipped}", signed(&packed)), &packed, || 7),
    ];
    let answers = block_on(async {
        let mut answers = Vec::new();
        for way in &ways {
            let world = World::start(true).await;
            let pieces: Vec<&[u8]> = way.iter().map(Vec::as_slice).collect();
            let answer = world.send(&pieces).await;
            answers.push((answer.status(), String::from_utf8_lossy(answer.body()).into_owned()));
        }
        let forged = whole(&signed(&[body, b" "].concat()), body);
        let world = World::start(true).await;
        let answer = world.send(&forged.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
        assert_eq!(answer.status(), Some(401), "another body was signed");
        answers
    });
    for answer in &answers {
        assert_eq!(*answer, answers[0]);
    }
    // A body that can be read is taken, and no other.
    let is_read = read_alerts("webhook", body, now()).is_ok_and(|(_, stats)| !stats.is_empty_input());
    assert!(!is_read || answers[0].0 == Some(200), "{:?}", answers[0]);
    assert!(matches!(answers[0].0, Some(200 | 400)), "{:?}", answers[0]);
}

fn gzip(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).expect("it is compressed");
    encoder.finish().expect("it is compressed")
}

fn head(headers: &str, length: &str) -> Vec<u8> {
    format!("POST /webhook/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}{length}\r\n\r\n")
        .into_bytes()
}

fn whole(headers: &str, body: &[u8]) -> Vec<Vec<u8>> {
    vec![head(headers, &format!("content-length: {}", body.len())), body.to_vec()]
}

fn chunked(headers: &str, body: &[u8], mut size: impl FnMut() -> usize) -> Vec<Vec<u8>> {
    let mut pieces = vec![head(headers, "transfer-encoding: chunked")];
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size().min(rest.len()));
        pieces.push([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        rest = after;
    }
    pieces.push(b"0\r\n\r\n".to_vec());
    pieces
}
