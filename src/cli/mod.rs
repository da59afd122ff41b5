//! The command line: one file per command; the only printer; wires everything.
