//! Drives runs: performs effects, journals facts before believing them.
