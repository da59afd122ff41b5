//! Kinds of step: a spec becomes effects and holds, replies become an outcome.
