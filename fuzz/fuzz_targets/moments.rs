//! libFuzzer's entry to `moments`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::moments::target(data));
