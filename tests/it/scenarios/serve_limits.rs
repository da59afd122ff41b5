//! `amflow serve` under senders who are hostile, broken, slow or many: it answers, and its memory stays bounded.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::serve::{Served, playbook, webhook};
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;
use crate::support::program::root;

fn lab(server: &str) -> Lab {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("echo \"{{ alert.labels.instance }}\" >> out"));
    lab.configure(&format!("server: {{{server}}}\n"));
    lab
}

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Reads until the other side hangs up.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // It may hang up with a reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the most memory that it has taken so far, in MiB.
pub(crate) fn peak(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_shape_that_is_known_is_taken_at_every_address() {
    let lab = lab("");
    let served = Served::start(&lab, "--web.route-prefix /hooks/amflow");
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("tests/fixtures/payloads")).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let packed = gzip(&body);
        for (method, at) in [
            ("POST", "/webhook"),
            ("PUT", "/webhook/"),
            ("POST", "/webhook/team/a"),
            ("POST", "/api/v2/alerts"),
            ("POST", "/api/v2/alerts/"),
            ("POST", "/api/v1/alerts"),
        ] {
            for (headers, body) in [("", &body), ("content-encoding: gzip\r\n", &packed)] {
                let (status, text) = served.ask(method, &format!("/hooks/amflow{at}"), headers, body);
                assert_eq!(status, 200, "{} at {at}: {text}", path.display());
                let receipt: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(receipt["bad_alerts"], 0, "{} at {at}: {text}", path.display());
            }
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen} fixtures");
    // Without the prefix nothing is there, and nothing is redirected.
    assert_eq!(served.ask("POST", "/webhook", "", b"[]").0, 404);
    assert_eq!(served.ask("POST", "/hooks/amflow", "", b"[]").0, 404);
}

#[test]
fn bodies_of_any_size_are_refused_before_they_take_memory() {
    let lab = lab("max_body: 8388608");
    let served = Served::start(&lab, "");
    served.deliver(&webhook(&[("before", "firing")]));
    let bomb = gzip(&vec![b' '; 256 << 20]);
    assert!(bomb.len() < 1 << 20);
    let before = peak(&served);
    for _ in 0..4 {
        let (status, text) = served.ask("POST", "/webhook", "content-encoding: gzip\r\n", &bomb);
        assert_eq!(status, 413, "{text}");
        assert!(text.contains("8388608 bytes"), "{text}");
    }
    // A gigabyte that is only announced is refused before it is sent.
    let mut stream = connect(&served);
    stream
        .write_all(b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1073741824\r\n\r\n")
        .unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 413"));
    // One that is not announced, too.
    let mut stream = connect(&served);
    stream
        .write_all(b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let piece = format!("10000\r\n{}\r\n", " ".repeat(65_536)).into_bytes();
    let sent = (0..16_384).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(sent < 1_024, "{sent} pieces of 64 KiB were taken");
    for broken in [&gzip(b"[]")[..6], b"[]", b""] {
        let (status, text) = served.ask("POST", "/webhook", "content-encoding: gzip\r\n", broken);
        assert_eq!(status, 400, "{text}");
    }
    assert!(peak(&served) < before + 64, "{} MiB, before {before} MiB", peak(&served));
    served.deliver(&webhook(&[("after", "firing")]));
    wait_until("both are worked on", || lab.lines("out") == ["before", "after"]);
}

#[test]
fn who_is_slow_is_hung_up_on() {
    let lab = lab("header_timeout: 300ms, body_timeout: 300ms");
    let served = Served::start(&lab, "");
    // Nothing, half a head, a head and no end, an idle connection after an answer.
    for start in ["", "POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\n"] {
        let mut stream = connect(&served);
        stream.write_all(start.as_bytes()).unwrap();
        rest(&mut stream);
    }
    let mut stream = connect(&served);
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200"));
    // Alertmanager sends again after 503, and not after 408.
    let mut stream = connect(&served);
    stream.write_all(b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n[").unwrap();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: "), "{answer}");
    served.deliver(&webhook(&[("x", "firing")]));
}

#[test]
fn who_drips_is_hung_up_on_too() {
    let lab = lab("header_timeout: 400ms, body_timeout: 400ms");
    let served = Served::start(&lab, "");
    let head = "POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n";
    for (start, drop_by_drop) in [("", head.as_bytes()), (head, b"\r\n[          ".as_slice())] {
        let mut streams: Vec<_> = (0..100).map(|_| connect(&served)).collect();
        for stream in &mut streams {
            stream.write_all(start.as_bytes()).unwrap();
        }
        let began = Instant::now();
        let mut drops = drop_by_drop.iter().cycle();
        // A byte now and again, from each: only a limit on the whole helps.
        while !streams.is_empty() {
            let next = *drops.next().unwrap();
            streams.retain_mut(|stream| stream.write_all(&[next]).is_ok());
            assert!(began.elapsed() < Duration::from_secs(15), "{} are still open", streams.len());
            std::thread::sleep(Duration::from_millis(20));
        }
        served.deliver(&webhook(&[("x", "firing")]));
    }
    assert!(peak(&served) < 120, "{} MiB", peak(&served));
}

/// Lets this process and what it starts have so many files open, if it may.
fn files(wanted: u64) -> u64 {
    let known = getrlimit(Resource::Nofile);
    let wanted = known.maximum.map_or(wanted, |most| most.min(wanted));
    if known.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: known.maximum }).unwrap();
    }
    wanted
}

#[test]
fn ten_thousand_connections_keep_nobody_out_for_long_and_take_little_memory() {
    // Other tests need some, too.
    let most = files(12_000).saturating_sub(1_500).min(10_000);
    let lab = lab("connections: 2000, header_timeout: 500ms");
    let served = Served::start(&lab, "");
    let port = served.port;
    let told = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..50)
            .map(|n| {
                let told = &told;
                scope.spawn(move || {
                    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
                    let mut open = Vec::new();
                    for m in 0..most / 50 {
                        // Those whose turn does not come are not let in by the system.
                        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200))
                        else {
                            continue;
                        };
                        if (n + m) % 2 == 0 {
                            let _ = stream.write_all(b"POST /webhook HTTP/1.1\r\n");
                        }
                        open.push(stream);
                        told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    open
                })
            })
            .collect();
        wait_until("the crowd is there", || {
            told.load(std::sync::atomic::Ordering::Relaxed) as u64 >= most / 4
        });
        let began = Instant::now();
        served.deliver(&webhook(&[("x", "firing")]));
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        let open: Vec<_> = crowd.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(open.len() as u64 > most / 3, "{} of {most} came in", open.len());
        assert_eq!(served.get("/-/healthy").0, 200);
    });
    wait_until("it is worked on", || lab.lines("out") == ["x"]);
    assert!(peak(&served) < 200, "{} MiB", peak(&served));
}

#[test]
fn many_large_bodies_at_once_take_no_more_memory_than_a_few() {
    let lab = lab("max_body: 16777216, body_timeout: 20s");
    let served = Served::start(&lab, "");
    served.deliver(&webhook(&[("before", "firing")]));
    let before = peak(&served);
    // Alerts that are wanted, and a body whose end does not come.
    let alert = |n: usize| {
        let long = "x".repeat(1 << 20);
        json!({"labels": {"alertname": "A", "n": n.to_string()}, "annotations": {"a": long}}).to_string()
    };
    let body = format!("[{}", (0..15).map(alert).collect::<Vec<_>>().join(","));
    let sent: Vec<(TcpStream, usize)> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..24)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = connect(&served);
                    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
                    let head =
                        "POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 16777216\r\n\r\n";
                    stream.write_all(head.as_bytes()).unwrap();
                    let pieces = body.as_bytes().chunks(1 << 16);
                    let sent = pieces.take_while(|piece| stream.write_all(piece).is_ok()).count();
                    (stream, sent)
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let whole = sent.iter().filter(|(_, pieces)| *pieces == body.len().div_ceil(1 << 16)).count();
    assert!((1..=4).contains(&whole), "{whole} were taken at the same time");
    assert!(peak(&served) < before + 150, "{} MiB, before {before} MiB", peak(&served));
    drop(sent);
    served.deliver(&webhook(&[("after", "firing")]));
    wait_until("both are worked on", || lab.lines("out").len() == 2);
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let lab = lab("connections: 2, header_timeout: 20s");
    let served = Served::start(&lab, "");
    let mut idle: Vec<_> = (0..2).map(|_| connect(&served)).collect();
    let mut third = connect(&served);
    third.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").unwrap();
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.read(&mut [0]).is_err(), "it was answered although two are open");
    third.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    drop(idle.pop());
    assert!(rest(&mut third).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_that_asks_too_often_is_asked_to_come_again() {
    let lab = lab("rate: 5");
    let served = Served::start(&lab, "");
    let statuses: Vec<u16> = (0..40).map(|_| served.ask("POST", "/webhook", "", b"[]").0).collect();
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 10, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");
    wait_until("it may again", || {
        let (status, text) = served.get("/metrics");
        status == 200 && !text.contains("amflow_requests_held_back_total 0\n")
    });
}

#[test]
fn garbage_is_answered_or_hung_up_on_and_harms_nobody() {
    let lab = lab("header_timeout: 300ms, body_timeout: 300ms");
    let served = Served::start(&lab, "");
    let long = format!("GET /{} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", "a".repeat(200_000));
    let many: String = (0..5_000).map(|n| format!("x{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
    let bytes: Vec<u8> = (0..4_096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    for sent in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ncontent-length: 9\r\n\r\n[]",
        b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n[]",
        b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
        b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n[]",
        b"GET /%00%ff/../../etc/passwd HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        b"POST /webhook HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 6\r\n\r\n\xff\xfe[\0]\0",
        b"FROB /webhook HTTP/9.9\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
        &bytes,
    ] {
        let mut stream = connect(&served);
        // It may hang up in the middle.
        let _ = stream.write_all(sent);
        let answer = rest(&mut stream);
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(!matches!(status, "200" | "301" | "302" | "307" | "308" | "429"), "{status}: {answer}");
    }
    assert_eq!(served.get("/-/healthy").0, 200);
    assert_eq!(lab.runs().len(), 0);
}

#[test]
fn many_connections_that_say_nothing_keep_nobody_out_for_long() {
    let lab = lab("connections: 100, header_timeout: 500ms");
    let served = Served::start(&lab, "");
    let began = Instant::now();
    let idle: Vec<_> = (0..400).map(|_| connect(&served)).collect();
    served.deliver(&webhook(&[("x", "firing")]));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(idle);
    assert!(peak(&served) < 120, "{} MiB", peak(&served));
}

#[test]
fn a_page_of_another_site_cannot_use_a_browser_on_this_machine() {
    let lab = lab("");
    let served = Served::start(&lab, "");
    let body = webhook(&[("x", "firing")]).to_string();
    for headers in [
        "origin: https://evil.example\r\ncontent-type: text/plain\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
    ] {
        for path in ["/webhook", "/-/reload", "/api/v1/runs/x/cancel"] {
            assert_eq!(served.ask("POST", path, headers, body.as_bytes()).0, 403, "{path} {headers}");
        }
    }
    assert_eq!(served.ask("POST", "/webhook", "origin: http://127.0.0.1\r\n", body.as_bytes()).0, 200);
}

#[test]
fn a_name_that_a_page_has_lead_to_loopback_is_not_answered() {
    let lab = lab("external_url: 'http://ops.example:9096'");
    let served = Served::start(&lab, "");
    let ask = |host: &str, line: &str| {
        let mut stream = connect(&served);
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: {host}\r\nsec-fetch-site: same-origin\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        rest(&mut stream).split(' ').nth(1).unwrap().to_owned()
    };
    for line in ["GET /api/v1/runs", "GET /metrics", "POST /-/reload", "DELETE /api/v1/pause"] {
        assert_eq!(ask("evil.example:9096", line), "421", "{line}");
        for host in ["127.0.0.1:9096", "localhost", "[::1]:1", "ops.example:9096"] {
            assert_eq!(ask(host, line), "200", "{line} {host}");
        }
    }
    let log = lab.read("serve.log");
    assert!(log.contains("warn a request that names another host was refused"), "{log}");
    let known = self::lab("auth: [{bearer: {file: token}}]");
    known.write("token", "t0ken\n");
    let served = Served::start(&known, "");
    let mut stream = connect(&served);
    write!(stream, "GET /api/v1/runs HTTP/1.1\r\nhost: a.proxy\r\nauthorization: Bearer t0ken\r\nconnection: close\r\n\r\n").unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200"), "with credentials a browser sends none");
}

#[test]
fn a_signed_body_is_let_in_and_who_cannot_sign_learns_nothing() {
    let lab = lab("auth: [{name: grafana, signature: {secret: {file: key}}}, {bearer: {file: token}}]");
    lab.write("key", "sign-me\n");
    lab.write("token", "t0ken\n");
    let served = Served::start(&lab, "");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sign-me");
    let header = |body: &[u8]| {
        let tag = ring::hmac::sign(&key, body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("X-Grafana-Alerting-Signature: {hex}\r\n")
    };
    let alert = webhook(&[("x", "firing")]).to_string();
    let large =
        json!([{"labels": {"alertname": "B"}, "annotations": {"a": "x".repeat(600_000)}}]).to_string();
    for body in [alert.as_str(), &large] {
        assert_eq!(served.ask("POST", "/webhook", &header(body.as_bytes()), body.as_bytes()).0, 200);
        for headers in ["", &header(b"another body"), "X-Grafana-Alerting-Signature: zz\r\n"] {
            let (status, text) = served.ask("POST", "/webhook", headers, body.as_bytes());
            assert_eq!(status, 401, "{headers} {text}");
        }
    }
    let broken = b"[{\"labels\": 1}, nonsense";
    assert_eq!(served.ask("POST", "/webhook", &header(broken), broken).0, 400);
    let (status, text) = served.ask("POST", "/webhook", &header(b"x"), broken);
    assert_eq!((status, text.contains("labels")), (401, false), "{text}");
    // A signature is for a body: it opens nothing else.
    assert_eq!(served.ask("GET", "/api/v1/runs", &header(b""), b"").0, 401);
    let (_, kept) = served.ask("GET", "/api/v1/rejected", "authorization: Bearer t0ken\r\n", b"");
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["rejected"].as_array().unwrap().len(), 1);
}
