//! libFuzzer's entry to `command_line`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::command_line::target(data));
