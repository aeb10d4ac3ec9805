//! libFuzzer's entry to `request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::request::target(data));
