//! libFuzzer's entry to `stage_program`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::stage_program::target(data));
