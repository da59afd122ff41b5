#![no_main]

amflow_fuzz::target!("playbooks");
