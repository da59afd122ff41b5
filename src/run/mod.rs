//! The pure state machine of a run: admission, gates, events, backoff.
