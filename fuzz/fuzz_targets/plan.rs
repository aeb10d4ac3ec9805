//! libFuzzer's entry to `plan`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::plan::target(data));
