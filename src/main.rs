//! A door, not a room: the program is [`amflow::cli`].

fn main() -> std::process::ExitCode {
    amflow::cli::main()
}
