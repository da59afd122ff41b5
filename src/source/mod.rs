//! Where alerts come from.
