//! What people write: trigger and steps, parsed into checked types once.
