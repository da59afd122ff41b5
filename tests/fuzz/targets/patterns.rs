#![no_main]

amflow_fuzz::target!("patterns");
