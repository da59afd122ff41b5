#![no_main]

amflow_fuzz::target!("shell_runs");
