//! libFuzzer's entry to `fields`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::fields::target(data));
