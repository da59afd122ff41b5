//! What is shown of runs, as consumers of events.
