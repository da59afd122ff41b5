//! Flags, file and environment into option structs.
