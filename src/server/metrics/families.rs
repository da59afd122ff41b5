//! Every metric of a service, once: its name, its kind, its help.

use crate::report::{Bounds, Family};

/// Upper bounds of the buckets of what should be over at once, in seconds.
pub(super) const SHORT: Bounds =
    &[0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Upper bounds of the buckets of what may take its time, in seconds.
pub(super) const LONG: Bounds =
    &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0];

macro_rules! families {
    ($($constant:ident = $kind:ident($name:literal, $help:literal);)*) => {
        $(pub(super) const $constant: Family = Family::$kind($name, $help);)*
        /// Every metric of `GET /metrics`.
        pub const FAMILIES: &[Family] = &[$($constant),*];
    };
}

families! {
    BUILD = gauge("amflow_build_info", "Which amflow this is.");
    GOING = gauge("amflow_runs_going", "Runs of this process that are not over.");
    QUEUE_LIMIT = gauge("amflow_queue_limit", "Runs that may be not over: beyond it deliveries are refused.");
    PUT_OFF = gauge("amflow_put_off", "Targets that are put off and offered again, by playbook and reason.");
    DRAINING = gauge("amflow_draining", "Whether this process is about to end.");
    PLAYBOOKS = gauge("amflow_playbooks", "Playbooks in force.");
    HELD_BACK = gauge(
        "amflow_playbook_held_back",
        "Playbooks that cannot have what they need, such as a secret: their alerts are put off."
    );
    PAUSED = gauge("amflow_paused", "Pauses in force, by playbook; `*` is all of them.");
    BREAKER = gauge("amflow_breaker_open", "Whether a playbook's breaker is open.");
    DELIVERIES = counter("amflow_deliveries_total", "Requests that brought alerts, by what became of them.");
    DELIVERY_SECONDS = histogram("amflow_delivery_duration_seconds", "How long deliveries took to be answered.");
    ALERTS = counter("amflow_alerts_received_total", "Alerts in deliveries.");
    BAD_ALERTS = counter("amflow_bad_alerts_total", "Alerts in deliveries that could not be read.");
    REQUESTS_HELD_BACK = counter(
        "amflow_requests_held_back_total",
        "Requests that were held back because their client made too many."
    );
    ADMISSIONS = counter("amflow_admissions_total", "Verdicts on alerts and playbooks, by reason.");
    RUNS = counter("amflow_runs_total", "Runs that are over, by playbook and status.");
    RUN_SECONDS = histogram("amflow_run_duration_seconds", "How long runs took, from admission to end.");
    ATTEMPTS = counter("amflow_attempts_total", "Attempts of steps that ended, by playbook and outcome.");
    ATTEMPT_SECONDS = histogram("amflow_attempt_duration_seconds", "How long attempts of steps took, waits included.");
    RETRIES = counter("amflow_retries_total", "Attempts of steps that were not the first.");
    DECISIONS = counter("amflow_decisions_total", "Decisions of people by link and API.");
    POLLS = counter("amflow_polls_total", "Polls of Alertmanager, by whether one answered.");
    POLL_SECONDS = histogram("amflow_poll_duration_seconds", "How long polls took, what they brought included.");
    POLLED_AT = gauge("amflow_last_poll_timestamp_seconds", "When Alertmanager last answered a poll.");
    PEER_REQUESTS = counter(
        "amflow_alertmanager_requests_total",
        "Requests to Alertmanagers, by peer, by what was asked and whether it was answered, refused or failed."
    );
    PEER_SECONDS = histogram(
        "amflow_alertmanager_request_duration_seconds",
        "How long Alertmanagers took to begin their answers, by what was asked."
    );
    HOLDS = counter(
        "amflow_holds_total",
        "Silences and alerts of amflow's own that were made, renewed or released, or could not be."
    );
    RELOADS = counter("amflow_config_reloads_total", "Reloads of configuration and playbooks, with the first.");
    RELOADED = gauge(
        "amflow_config_last_reload_successful",
        "Whether the last reload of configuration and playbooks succeeded."
    );
    RELOADED_AT = gauge(
        "amflow_config_last_reload_success_timestamp_seconds",
        "When configuration and playbooks were last put in force."
    );
    STORE_UP = gauge("amflow_store_up", "Whether the store can be read.");
    COMMITS = counter("amflow_store_commits_total", "Commits of this process to the store that changed something.");
    COMMITTED = counter(
        "amflow_store_committed_writes_total",
        "Writes that these commits made durable; several share one."
    );
    COMMIT_SECONDS = histogram(
        "amflow_store_commit_duration_seconds",
        "How long commits took, from the first statement until they were durable."
    );
    WRITE_SECONDS = histogram(
        "amflow_store_write_duration_seconds",
        "How long writes took, waiting for their turn included."
    );
    READ_SECONDS = histogram(
        "amflow_store_read_duration_seconds",
        "How long reads took, waiting for their turn included."
    );
    STORE_ERRORS = counter("amflow_store_errors_total", "Reads and writes that failed, by reason.");
    SPANS_SENT = counter("amflow_trace_spans_sent_total", "Spans that the collector took.");
    SPANS_DROPPED = counter(
        "amflow_trace_spans_dropped_total",
        "Spans that there was no room for while the collector did not answer, or that it refused."
    );
    SPANS_WAITING = gauge("amflow_trace_spans_waiting", "Spans that wait to be sent.");
    TRACE_FAILURES = counter("amflow_trace_requests_failed_total", "Requests to the collector that failed.");
}
