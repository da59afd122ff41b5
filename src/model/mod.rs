//! Alerts, labels, fingerprints, matchers, silences, payloads: Alertmanager's world as values.
