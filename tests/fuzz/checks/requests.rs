//! Any bytes as what a client sends: they are answered, and nobody gets in without a credential.

use std::io::Write as _;
use std::path::Path;

use amflow::server::{Link, LinkError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::input::{SEPARATOR, input, texts};
use super::server::{World, block_on, links, now};

const BODY: &str = r#"[{"labels":{"alertname":"A"},"startsAt":"2026-11-18T00:00:00Z"}]"#;

pub(crate) fn seeds(_: &Path) -> Vec<Vec<u8>> {
    let mut requests: Vec<Vec<u8>> = Vec::new();
    for target in [
        "/",
        "/-/healthy",
        "/-/ready",
        "/metrics",
        "/api/v1/status",
        "/api/v1/runs?status=failed&playbook=a&since=1h&limit=5",
        "/api/v1/runs/01a",
        "/api/v1/tasks?mine=true",
        "/api/v1/tasks/r?step=a%2Fb",
        "/api/v1/rejected",
        "/api/v1/pause",
        "/api/v1/openapi.json",
        "/tasks/r1?t=a.b&x=%zz",
        "/tasks/style.css",
        "/webhook",
        "/../x",
        "//webhook",
    ] {
        requests
            .push(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into());
    }
    let basic = STANDARD.encode("ann:wrong");
    for (target, headers, body) in [
        ("/webhook", "", BODY),
        ("/webhook/a/b", &*format!("Authorization: Basic {basic}\r\n"), BODY),
        ("/api/v2/alerts", "Authorization: Bearer wrong\r\n", BODY),
        ("/webhook", "X-Signature: 00ff\r\nX-Time: 1795000000\r\n", BODY),
        ("/webhook", "X-Signature: 0\r\nX-Time: never\r\n", "{"),
        ("/webhook", "Content-Encoding: br\r\n", BODY),
        ("/webhook", "Content-Encoding: identity, gzip\r\nExpect: 100-continue\r\n", BODY),
        ("/api/v1/pause?playbook=any", "", r#"{"for":"1h","reason":"r"}"#),
        ("/api/v1/runs/r/cancel", "", "{}"),
        ("/api/v1/tasks/r/decide", "", r#"{"approve":true,"comment":"c","inputs":{"a":1},"digest":"d"}"#),
        ("/api/v1/tasks/r/link", "", r#"{"who":"ann","step":"a"}"#),
        (
            "/tasks/r1",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "t=a.b&decision=approve&answer.a=1&comment=%F0",
        ),
        ("/-/reload", "Origin: http://evil\r\nSec-Fetch-Site: cross-site\r\n", ""),
    ] {
        let length = body.len();
        requests.push(
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into(),
        );
    }
    requests.push(format!("POST /webhook HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len()).into());
    requests.push(b"DELETE /api/v1/pause HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(BODY.as_bytes()).expect("it is compressed");
    let body = gzip.finish().expect("it is compressed");
    let head = format!(
        "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    requests.push([head.into_bytes(), body].concat());
    let guarded: Vec<Vec<u8>> =
        requests.iter().map(|request| [&[SEPARATOR], &request[..]].concat()).collect();
    requests.extend(guarded);
    requests.push(input(&["run", "a/b", "digest", "ann"]));
    requests
}

/// The input is what a client sends; one that begins with a separator goes to a server that wants a credential.
pub(crate) fn check(data: &[u8]) {
    keeps_links(&texts(data));
    let (is_guarded, sent) = match data {
        [SEPARATOR, sent @ ..] => (true, sent),
        sent => (false, sent),
    };
    block_on(async {
        let world = World::start(is_guarded).await;
        let answer = world.send(&[sent]).await;
        let Some(status) = answer.status() else { return };
        let about = || String::from_utf8_lossy(&answer.bytes).into_owned();
        // Alertmanager takes a redirect for success, and drops what gets 429; 500 is a defect.
        assert!((200..300).contains(&status) || (400..500).contains(&status) || status == 503, "{}", about());
        assert_ne!(status, 429, "{}", about());
        let is_for_everybody = |path: &[u8]| sent.windows(path.len()).any(|part| part == path);
        let open: [&[u8]; 3] = [b"/-/healthy", b"/-/ready", b"/tasks/style.css"];
        let is_open = open.into_iter().any(is_for_everybody);
        assert!(!is_guarded || is_open || status >= 400, "nobody has shown a credential: {}", about());
        let healthy =
            world.send(&[b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"]).await;
        assert_eq!(healthy.status(), Some(200));
    });
}

/// A link is read as it was made, until it is over; any other text is none.
fn keeps_links(texts: &[String]) {
    let links = links();
    let text =
        |at: usize| texts.get(at).map(|text| text.chars().take(200).collect::<String>()).unwrap_or_default();
    let link = Link {
        run: text(0),
        step: text(1),
        digest: text(2),
        who: text(3),
        expires: i64::try_from(texts.concat().len()).unwrap_or_default(),
    };
    let token = links.sign(&link);
    let expected = if link.expires > 0 { Ok(link) } else { Err(LinkError::Expired) };
    assert_eq!(links.read(&token, Timestamp::UNIX_EPOCH), expected);
    assert_eq!(links.read(&token, now()), Err(LinkError::Expired));
    for other in
        texts.iter().flat_map(|text| [text.clone(), format!("{text}.{text}"), format!("{token}{text}.")])
    {
        assert_eq!(links.read(&other, now()), Err(LinkError::Forged), "{other:?}");
    }
}
