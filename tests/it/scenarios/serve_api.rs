//! What people and programs do with `amflow serve` over HTTP: tasks, links, pauses; all of it as `docs/openapi.json` says.

use serde_json::{Value, json};

use super::serve::{FREE, Served, playbook, webhook};
use crate::support::alertmanager::wait_until;
use crate::support::lab::Lab;
use crate::support::program::{amflow, fresh, root};
use crate::support::schema::Schema;

const ASKS: &str = "\
matchers: [alertname = A]
recheck: never
limits: {cooldown: none, rate: none, targets: none}
steps:
  - id: ask
    approve:
      prompt: \"Restart {{ alert.labels.instance }}?\"
      approvers: {users: [carl], groups: [oncall]}
      timeout: 1h
      inputs:
        drain: {type: bool, prompt: Drain it first?, default: true}
        how: {choices: [fast, slow], default: slow}
        ticket: {pattern: 'OPS-[0-9]+', required: false}
  - exec: [sh, -c, 'echo \"$@\" >> restarted', sh, \"{{ steps.ask.inputs.how }}\", \"{{ steps.ask.by }}\"]
";

/// Two must approve, and both may answer.
const TWO: &str = "\
matchers: [alertname = A]
recheck: never
steps:
  - id: ask
    approve:
      prompt: Grow it?
      required: 2
      inputs:
        count: {type: int, default: 2}
        zone: {choices: [a, b 1]}
        why: {default: busy}
  - exec: [sh, -c, 'echo \"$@\" >> grown', sh, \"{{ steps.ask.inputs.count }}\", \"{{ steps.ask.inputs.zone }}\", \"{{ steps.ask.inputs.why }}\"]
";

const SERVER: &str = "\
people: {users: [carl], groups: {oncall: [ann]}, may_act_as_others: [bot]}
server:
  external_url: https://ops.example.com/x/
  auth:
    - {name: bot, bearer: {file: bot}}
    - basic: {username: ann, password: {file: ann}}
    - basic: {username: eve, password: {file: ann}}
";

const BOT: &str = "authorization: Bearer b0t\r\n";
/// ann:pw
const ANN: &str = "authorization: Basic YW5uOnB3\r\n";
/// eve:pw
const EVE: &str = "authorization: Basic ZXZlOnB3\r\n";

#[test]
fn what_everybody_may_decide_is_decided_by_people_where_they_are_listed() {
    let lab = Lab::alone();
    lab.write("bot", "b0t\n");
    lab.write("ann", "pw\n");
    let asks = ASKS.replace("      approvers: {users: [carl], groups: [oncall]}\n", "");
    lab.playbook("restart", &asks);
    lab.configure(&SERVER.replace(", may_act_as_others: [bot]", ""));
    let served = Served::start(&lab, "");
    let body = webhook(&[("x", "firing")]).to_string();
    assert_eq!(served.ask("POST", "/webhook", BOT, body.as_bytes()).0, 200);
    wait_until("it asks", || lab.runs().iter().any(|run| run["status"] == "waiting"));
    let run = lab.runs()[0]["run"].as_str().unwrap().to_owned();
    let yes = json!({"approve": true}).to_string();
    let decide =
        |headers: &str| served.ask("POST", &format!("/api/v1/tasks/{run}/decide"), headers, yes.as_bytes());
    let (status, text) = decide(BOT);
    assert!(status == 403 && text.contains("bot is none of the users and groups"), "{status} {text}");
    let link = json!({"for": "bot"}).to_string();
    assert_eq!(served.ask("POST", &format!("/api/v1/tasks/{run}/link"), BOT, link.as_bytes()).0, 403);
    assert_eq!(decide(ANN).0, 200);
}

/// A service with runs that ask.
fn asked(instances: &[&str]) -> (Lab, Served, Vec<String>) {
    let lab = Lab::alone();
    lab.write("bot", "b0t\n");
    lab.write("ann", "pw\n");
    lab.playbook("restart", ASKS);
    lab.configure(SERVER);
    let served = Served::start(&lab, "");
    let mut runs = Vec::new();
    for instance in instances {
        let body = webhook(&[(instance, "firing")]).to_string();
        assert_eq!(served.ask("POST", "/webhook", BOT, body.as_bytes()).0, 200);
        wait_until("it asks", || {
            let (_, text) = served.ask("GET", "/api/v1/tasks", ANN, b"");
            let tasks: Value = serde_json::from_str(&text).unwrap();
            let all = tasks["tasks"].as_array().unwrap();
            if all.len() == runs.len() + 1 {
                let ids = all.iter().map(|task| task["run"].as_str().unwrap().to_owned());
                runs.extend(ids.filter(|id| !runs.contains(id)).collect::<Vec<_>>());
                return true;
            }
            false
        });
    }
    (lab, served, runs)
}

fn call(served: &Served, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, text) = served.ask(method, path, headers, body.as_bytes());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[test]
fn a_link_shows_to_anybody_decides_for_one_and_once() {
    let (lab, served, runs) = asked(&["<b>web\"1"]);
    let run = &runs[0];
    let make = |who: &str, headers: &str| {
        call(&served, "POST", &format!("/api/v1/tasks/{run}/link"), headers, &json!({"for": who}))
    };
    assert_eq!(make("ann", EVE).0, 403, "eve may not make links for others");
    assert_eq!(make("eve", BOT).0, 403, "eve may not decide");
    let (status, link) = make("ann", BOT);
    assert_eq!(status, 200, "{link}");
    let url = link["url"].as_str().unwrap();
    let at = url.strip_prefix("https://ops.example.com/x").unwrap();
    let token = at.split_once("?t=").unwrap().1;
    // Programs that read mail follow links, more than once.
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(served.ask(method, at, "", b"").0, 200);
    }
    let (_, page) = served.get(at);
    assert!(page.contains("Restart &lt;b&gt;web&quot;1?") && !page.contains("<b>"), "{page}");
    assert!(page.contains("name=\"answer.drain\"") && page.contains("You decide as <strong>ann"), "{page}");
    assert!(!page.contains("<script") && page.contains("viewport"), "{page}");
    assert_eq!(served.get("/tasks/style.css").0, 200);
    assert_eq!(lab.only_run()["status"], "waiting");
    let say = |token: &str, rest: &str| {
        let form = format!("t={token}&{rest}");
        served.ask("POST", &format!("/tasks/{run}"), "origin: http://127.0.0.1\r\n", form.as_bytes())
    };
    assert_eq!(say("forged.token", "decision=approve").0, 403);
    assert_eq!(say(&format!("{token}x"), "decision=approve").0, 403);
    assert_eq!(say(token, "comment=x").0, 400, "no button");
    let (status, page) = say(token, "decision=approve&answer.how=never");
    assert_eq!(status, 400, "{page}");
    assert!(page.contains("It was not decided") && page.contains("how"), "{page}");
    let (status, page) = say(token, "decision=approve&answer.how=fast&answer.drain=false&comment=go+%3Ci%3E");
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("It is approved") && page.contains("go &lt;i&gt;") && !page.contains("<form"),
        "{page}"
    );
    wait_until("the run goes on", || lab.lines("restarted") == ["fast ann"]);
    let (status, page) = say(token, "decision=reject");
    assert_eq!(status, 409, "{page}");
    assert!(page.contains("already"), "{page}");
    wait_until("the run is over", || lab.only_run()["status"] == "succeeded");
    assert_eq!(served.get(at).0, 200, "who comes back sees what became of it");
    assert_eq!(make("ann", BOT).0, 410);
    let key = std::fs::metadata(lab.path("store/links.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    assert!(!lab.read("serve.log").contains(token), "links are no less than passwords");
}

#[test]
fn the_second_of_two_sees_what_the_first_answered_and_need_not_say_it_again() {
    let lab = Lab::alone();
    lab.write("bot", "b0t\n");
    lab.write("ann", "pw\n");
    lab.playbook("grow", TWO);
    lab.configure(SERVER);
    let served = Served::start(&lab, "");
    let body = webhook(&[("web-1", "firing")]).to_string();
    assert_eq!(served.ask("POST", "/webhook", BOT, body.as_bytes()).0, 200);
    wait_until("it asks", || lab.only_run()["status"] == "waiting");
    let run = lab.only_run()["run"].as_str().unwrap().to_owned();
    let first = json!({"approve": true, "by": "carl", "comment": "after deploy", "inputs": {"count": 3, "zone": "b 1"}});
    let (status, task) = call(&served, "POST", &format!("/api/v1/tasks/{run}/decide"), BOT, &first);
    assert_eq!(status, 200, "{task}");
    assert_eq!(task["decisions"][0]["inputs"], json!({"count": 3, "zone": "b 1"}));

    let (_, link) = call(&served, "POST", &format!("/api/v1/tasks/{run}/link"), BOT, &json!({"for": "ann"}));
    let url = link["url"].as_str().unwrap();
    let at = url.strip_prefix("https://ops.example.com/x").unwrap();
    let token = at.split_once("?t=").unwrap().1;
    let (_, page) = served.get(at);
    let has = |page: &str, part: &str| assert!(page.contains(part), "{part}: {page}");
    has(&page, "with count=3, zone=&quot;b 1&quot;: after deploy");
    has(&page, "name=\"answer.count\" value=\"3\"");
    has(&page, "carl has answered 3");
    has(&page, "<option selected>b 1</option>");
    let told = "approved by carl (api of bot) with count=3, zone=\"b 1\": after deploy";
    let asked = lab.run(&format!("tasks show {run} -o json")).json();
    let until: jiff::Timestamp = asked["deadline"].as_str().unwrap().parse().unwrap();
    let until = until.strftime("; until %Y-%m-%d %H:%M:%SZ").to_string();
    lab.run(&format!("runs show {run}")).prints(&until);
    wait_until("the run has heard it", || lab.run(&format!("runs show {run}")).stdout.contains(told));
    lab.run(&format!("tasks show {run}")).code(0).prints("with count=3, zone=\"b 1\": after deploy");

    let say = |rest: &str| {
        let form = format!("t={token}&decision=approve&{rest}");
        served.ask("POST", &format!("/tasks/{run}"), "", form.as_bytes())
    };
    // What was typed is not lost with the refusal.
    let (status, page) = say("answer.count=5&answer.zone=a&answer.why=&comment=two%0A%3Clines%3E");
    assert_eq!(status, 400, "{page}");
    has(&page, "carl has answered 3: say the same, or nothing");
    has(&page, "name=\"answer.count\" value=\"5\"");
    has(&page, "<option selected>a</option>");
    has(&page, "name=\"answer.why\" value=\"\"");
    has(&page, "two\n&lt;lines&gt;</textarea>");
    // As the form stands when it is opened.
    let (status, page) = say("answer.count=3&answer.zone=b+1&answer.why=more&comment=");
    assert_eq!(status, 200, "{page}");
    has(&page, "with count=3, why=more, zone=&quot;b 1&quot;");
    wait_until("the run goes on", || lab.lines("grown") == ["3 b 1 more"]);
}

#[test]
fn the_page_of_a_task_loads_nothing_and_is_kept_nowhere() {
    use std::io::{Read as _, Write as _};
    let (_lab, served, runs) = asked(&["web-1"]);
    let path = format!("/tasks/{}?t=nonsense", runs[0]);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    for header in [
        "content-security-policy: default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(answer.contains(header), "{header} is not in {answer}");
    }
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn decisions_over_the_api_carry_the_name_that_was_shown() {
    let (lab, served, runs) = asked(&["one", "two", "three"]);
    let decide = |run: &str, headers: &str, body: Value| {
        call(&served, "POST", &format!("/api/v1/tasks/{run}/decide"), headers, &body)
    };
    assert_eq!(decide(&runs[0], "", json!({"approve": true})).0, 401);
    assert_eq!(decide(&runs[0], EVE, json!({"approve": true})).0, 403);
    assert_eq!(decide(&runs[0], EVE, json!({"approve": true, "by": "ann"})).0, 403);
    assert_eq!(decide(&runs[0], ANN, json!({"approve": true, "digest": "other"})).0, 409);
    assert_eq!(decide(&runs[0], ANN, json!({"approve": true, "inputs": {"ticket": "x"}})).0, 400);
    assert_eq!(decide(&runs[0], ANN, json!({"aprove": true})).0, 400);
    assert_eq!(decide("none", ANN, json!({"approve": true})).0, 404);
    let (status, task) = decide(&runs[0], ANN, json!({"approve": true, "inputs": {"how": "fast"}}));
    assert_eq!((status, &task["status"]), (200, &json!("approved")), "{task}");
    assert_eq!(decide(&runs[0], ANN, json!({"approve": true})).0, 409);
    let (status, task) = decide(&runs[1], BOT, json!({"approve": true, "by": "carl"}));
    assert_eq!(status, 200, "{task}");
    assert_eq!(
        (&task["decisions"][0]["by"], &task["decisions"][0]["via"]),
        (&json!("carl"), &json!("api of bot"))
    );
    wait_until("both go on", || {
        let mut done = lab.lines("restarted");
        done.sort();
        done == ["fast ann", "slow carl"]
    });
    assert_eq!(decide(&runs[2], ANN, json!({"approve": false, "comment": "no"})).0, 200);
    wait_until("the third is rejected", || lab.runs().iter().any(|run| run["status"] == "rejected"));
    let (_, metrics) = served.ask("GET", "/metrics", BOT, b"");
    assert!(metrics.contains("amflow_decisions_total{decision=\"approved\"} 2"), "{metrics}");
}

#[test]
fn without_credentials_nobody_decides_over_http() {
    let lab = Lab::alone();
    lab.playbook("fix", &playbook("true"));
    let served = Served::start(&lab, "");
    for at in ["decide", "link"] {
        let body = if at == "link" { json!({"for": "ann"}) } else { json!({"approve": true}) };
        let (status, answer) = call(&served, "POST", &format!("/api/v1/tasks/x/{at}"), "", &body);
        assert_eq!(status, 403, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains("server.auth"), "{answer}");
    }
}

#[test]
fn the_description_of_the_api_is_the_one_in_docs() {
    let home = tempfile::tempdir().unwrap();
    let output = amflow(home.path()).args(["schema", "api"]).output().unwrap();
    fresh(&root().join("docs/openapi.json"), &output.stdout);
}

/// Checks answers against the description, and remembers which operations were seen.
struct Described {
    text: Value,
    seen: Vec<(String, String)>,
}

impl Described {
    fn answered(&mut self, method: &str, path: &str, status: u16, answer: &Value) {
        let method = method.to_lowercase();
        let at = format!("/paths/{}/{method}/responses/{status}", path.replace('/', "~1"));
        let response = self.text.pointer(&at).unwrap_or_else(|| panic!("{at} is not described: {answer}"));
        let (kind, _) = response["content"].as_object().unwrap().iter().next().unwrap();
        let schema = format!("{at}/content/{}/schema", kind.replace('/', "~1"));
        Schema::new(
            self.text.clone(),
            &schema.replace(';', "%3B").replace(' ', "%20").replace('{', "%7B").replace('}', "%7D"),
        )
        .accepts(answer);
        self.seen.push((method, path.to_owned()));
    }
}

#[test]
fn every_path_answers_as_the_description_says() {
    let (lab, served, runs) = asked(&["one", "two"]);
    let (_, text) = served.ask("GET", "/api/v1/openapi.json", ANN, b"");
    let text: Value = serde_json::from_str(&text).unwrap();
    let mut described = Described { text, seen: Vec::new() };
    lab.write("token", "t");
    lab.playbook("quick", &format!("matchers: [alertname = Q]\n{FREE}steps:\n  - exec: ['true']\n"));
    let alert = json!([{"labels": {"alertname": "A"}, "startsAt": "2026-01-01T00:00:00Z"}]);
    let run = runs[0].as_str();
    let calls: Vec<(&str, &str, &str, Value, u16)> = vec![
        ("POST", "/webhook", BOT, alert.clone(), 200),
        ("POST", "/webhook", BOT, json!("nonsense"), 400),
        ("POST", "/webhook", "", alert.clone(), 401),
        ("POST", "/webhook", "content-encoding: br\r\nauthorization: Bearer b0t\r\n", alert.clone(), 415),
        ("POST", "/api/v1/alerts", BOT, alert.clone(), 200),
        ("POST", "/api/v2/alerts", BOT, alert, 200),
        ("GET", "/api/v1/status", ANN, Value::Null, 200),
        ("GET", "/api/v1/runs", ANN, Value::Null, 200),
        ("GET", "/api/v1/runs?limit=x", ANN, Value::Null, 400),
        ("GET", "/api/v1/runs", "", Value::Null, 401),
        ("GET", "/api/v1/runs/{run}", ANN, Value::Null, 200),
        ("GET", "/api/v1/tasks", ANN, Value::Null, 200),
        ("GET", "/api/v1/tasks?x=y", ANN, Value::Null, 400),
        ("GET", "/api/v1/tasks/{run}", ANN, Value::Null, 200),
        ("GET", "/api/v1/tasks/{run}?step=none", ANN, Value::Null, 404),
        ("POST", "/api/v1/tasks/{run}/link", ANN, json!({"for": "ann"}), 200),
        ("POST", "/api/v1/tasks/{run}/link", ANN, json!({"for": "carl"}), 403),
        ("POST", "/api/v1/tasks/{run}/decide", ANN, json!({"approve": true}), 200),
        ("POST", "/api/v1/tasks/{run}/decide", ANN, json!({"approve": true}), 409),
        ("POST", "/api/v1/tasks/{run}/decide", ANN, json!([]), 400),
        ("POST", "/api/v1/pause", ANN, json!({"playbook": "restart", "for": "1h", "reason": "why"}), 200),
        ("POST", "/api/v1/pause", ANN, json!({"for": "soon"}), 400),
        ("GET", "/api/v1/pause", ANN, Value::Null, 200),
        ("DELETE", "/api/v1/pause?playbook=restart", ANN, Value::Null, 200),
        ("GET", "/api/v1/rejected", ANN, Value::Null, 200),
        ("GET", "/api/v1/openapi.json", ANN, Value::Null, 200),
        ("POST", "/api/v1/runs/{run}/cancel", ANN, Value::Null, 202),
        ("POST", "/-/reload", ANN, Value::Null, 200),
        ("GET", "/-/healthy", "", Value::Null, 200),
        ("GET", "/-/ready", "", Value::Null, 200),
        ("GET", "/metrics", ANN, Value::Null, 200),
    ];
    for (method, path, headers, body, status) in calls {
        let run = if path.ends_with("/cancel") { runs[1].as_str() } else { run };
        let (answered, answer) = call(&served, method, &path.replace("{run}", run), headers, &body);
        assert_eq!(answered, status, "{method} {path}: {answer}");
        described.answered(method, path.split('?').next().unwrap(), status, &answer);
        if path == "/api/v1/pause" && method == "GET" {
            assert_eq!(answer["pauses"][0]["playbook"], "restart", "{answer}");
            assert_eq!(answer["pauses"][0]["by"], "ann (API)");
        }
    }
    for (path, methods) in described.text["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let tried = described.seen.contains(&(method.clone(), path.clone()));
            assert!(tried, "{method} {path} is described and was not tried");
        }
    }
}
