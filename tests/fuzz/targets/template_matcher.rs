#![no_main]

amflow_fuzz::target!("template_matcher");
