//! What is answered where. Main type: [`App`].

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use rustls::ServerConfig;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::auth::{Auth, Sender};
use super::browser::{is_for_another_host, is_from_another_site};
use super::client::Client;
use super::links::Links;
use super::metrics::Metrics;
use super::options::ServerOptions;
use super::rate::Rates;
use super::receiver::{Inspection, receive};
use super::room::Room;
use super::tls::{Renewed, Tls};
use super::{api, page, people};
use crate::engine::{Clock, RunFilter, Service};
use crate::model::People;
use crate::source::Origin;

/// Somebody asks for the configuration to be read again, and waits for what becomes of it.
pub type ReloadAsk = oneshot::Sender<Result<String, String>>;

/// What a reload swaps.
pub struct InForce {
    /// Who may send.
    pub auth: Auth,
    /// What alerts of an origin are called in the store.
    pub scope_of: Box<dyn Fn(Origin) -> String + Send + Sync>,
    /// Who decides.
    pub people: People,
    /// Makes and reads links to tasks; `None`: there are none.
    pub links: Option<Links>,
    /// TLS, when it is spoken.
    pub tls: Option<Tls>,
}

/// What answers.
pub struct App {
    pub(super) options: ServerOptions,
    pub(super) service: Service,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rejected: Inspection,
    pub(super) room: Room,
    in_force: RwLock<Arc<InForce>>,
    rates: Option<Rates>,
    reload: mpsc::Sender<ReloadAsk>,
}

impl App {
    /// Makes it; who wants a reload sends through `reload`.
    pub fn new(
        options: ServerOptions,
        service: Service,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        in_force: InForce,
        reload: mpsc::Sender<ReloadAsk>,
    ) -> Arc<App> {
        let rates = options.rate.map(Rates::new);
        let room = Room::new(options.max_body);
        Arc::new(App {
            options,
            service,
            clock,
            metrics,
            rejected: Inspection::default(),
            room,
            in_force: RwLock::new(Arc::new(in_force)),
            rates,
            reload,
        })
    }

    /// Puts other credentials, scopes and certificates in force.
    pub fn swap(&self, in_force: InForce) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
    }

    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        let tell = |changed: Renewed| match changed {
            Ok(()) => self.service.engine().remark("certificate and key were read again"),
            Err(error) => self.service.engine().notice(&format!(
                "the changed certificate is not used, the one before stays in force: {error}"
            )),
        };
        self.in_force().tls.as_ref().map(|tls| tls.current(self.clock.now(), tell))
    }

    /// Returns whether anybody on this machine may do everything.
    fn is_open(&self) -> bool {
        self.in_force().auth.is_empty() && self.options.reachable().is_none()
    }

    /// Returns all routes.
    pub(super) fn router(self: Arc<App>) -> Router {
        let guarded = Router::new()
            .route("/-/reload", post(reload))
            .route("/metrics", get(metrics))
            .route("/api/v1/status", get(api::status))
            .route("/api/v1/runs", get(api::runs))
            .route("/api/v1/runs/{run}", get(api::run))
            .route("/api/v1/runs/{run}/cancel", post(api::cancel))
            .route("/api/v1/rejected", get(api::rejected))
            .route("/api/v1/tasks", get(people::tasks))
            .route("/api/v1/tasks/{run}", get(people::task))
            .route("/api/v1/tasks/{run}/decide", post(people::decide_task))
            .route("/api/v1/tasks/{run}/link", post(people::link))
            .route("/api/v1/pause", get(api::pauses).post(api::pause).delete(api::unpause))
            .route("/api/v1/openapi.json", get(api::description))
            .layer(from_fn_with_state(self.clone(), guard));
        // Nothing is ever redirected: Alertmanager follows as a GET without the body, and takes that for success.
        let receiving = || post(receive).put(receive);
        let routes = Router::new()
            .route("/webhook", receiving())
            .route("/webhook/", receiving())
            .route("/webhook/{*any}", receiving())
            .route("/api/v2/alerts", receiving())
            .route("/api/v2/alerts/", receiving())
            .route("/api/v1/alerts", receiving())
            .route("/api/v1/alerts/", receiving())
            .route("/tasks/style.css", get(page::style))
            .route("/tasks/{run}", get(page::show).post(page::say))
            .route("/-/healthy", get(healthy))
            .route("/-/ready", get(ready))
            .merge(guarded);
        let routes = match self.options.prefix.as_str() {
            "" => routes,
            prefix => Router::new().nest(prefix, routes),
        };
        routes
            .fallback(nothing_here)
            .method_not_allowed_fallback(not_so)
            .layer(from_fn_with_state(self.clone(), limit))
            .with_state(self)
    }
}

/// Lets only those through who are known.
async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(client) = request.extensions().get::<Client>() else { return unauthorized(&app, None) };
    match app.in_force().auth.sender(request.headers(), client) {
        sender @ (Sender::Known(_) | Sender::Anybody) => {
            request.extensions_mut().insert(sender);
            next.run(request).await
        }
        Sender::Signs | Sender::Unknown => unauthorized(&app, Some(client)),
    }
}

/// Holds clients back that ask too often. Alertmanager retries 503, and drops what gets 429.
async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !request.method().is_safe() && is_from_another_site(request.headers()) {
        return answer(
            StatusCode::FORBIDDEN,
            &json!({"error": "this request comes from a page of another site"}),
        );
    }
    if app.is_open() && is_for_another_host(request.headers(), app.options.own_host().as_deref()) {
        let hint = "without credentials only an address, localhost and the host of `server.external_url` are answered";
        // Alertmanager sends nothing again that was answered so.
        app.service.engine().notice(&format!("a request that names another host was refused: {hint}"));
        return answer(
            StatusCode::MISDIRECTED_REQUEST,
            &json!({"error": "this request names another host", "hint": hint}),
        );
    }
    let client = request.extensions().get::<Client>().map(|client| client.address.ip());
    if let (Some(rates), Some(client)) = (&app.rates, client)
        && !rates.allows(client, app.clock.now())
    {
        app.metrics.held_back();
        let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "too many requests"}));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    next.run(request).await
}

async fn healthy() -> &'static str {
    "amflow is healthy\n"
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let why = if app.service.state().draining {
        Some("amflow is shutting down".to_owned())
    } else {
        let filter = RunFilter { limit: 1, ..RunFilter::default() };
        app.service.engine().store().list(filter).await.err().map(|_| "the store cannot be read".to_owned())
    };
    match why {
        None => "amflow is ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn reload(State(app): State<Arc<App>>) -> Response {
    let (ask, answered) = oneshot::channel();
    if app.reload.send(ask).await.is_err() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "amflow is shutting down"}));
    }
    match answered.await {
        Ok(Ok(done)) => answer(StatusCode::OK, &json!({"reloaded": done})),
        Ok(Err(why)) => answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": why})),
        Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "amflow is shutting down"})),
    }
}

/// The format that carries native histograms, as Prometheus asks for it.
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let page = app.metrics.page(&app.service).await;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let binary = accepted.split(',').any(|kind| {
        kind.trim_start().starts_with("application/vnd.google.protobuf")
            && ["proto=io.prometheus.client.MetricFamily", "encoding=delimited"]
                .iter()
                .all(|p| kind.contains(p))
    });
    if binary {
        return ([(header::CONTENT_TYPE, PROTOBUF)], page.protobuf()).into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.text()).into_response()
}

async fn nothing_here(State(app): State<Arc<App>>) -> Response {
    let hint = format!("send webhooks to POST {}/webhook", app.options.prefix);
    answer(StatusCode::NOT_FOUND, &json!({"error": "there is nothing here", "hint": hint}))
}

async fn not_so() -> Response {
    answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "this path takes another method"}))
}

/// Refuses who has not shown who they are; a line in the log tells of it. What they asked for is not in it: it is the
/// same trouble whatever it was.
pub(super) fn unauthorized(app: &App, client: Option<&Client>) -> Response {
    let from = client.map_or_else(String::new, |client| format!(" from {}", client.address.ip()));
    app.service
        .engine()
        .notice(&format!("a request{from} was refused: its credentials are missing or wrong"));
    let mut response = answer(StatusCode::UNAUTHORIZED, &json!({"error": "credentials are needed"}));
    let challenge = HeaderValue::from_static(app.in_force().auth.challenge());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Answers with JSON.
pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{text}\n")).into_response()
}
