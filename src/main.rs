//! A door, not a room: the program is [`amflow::cli`].
fn main() {}
