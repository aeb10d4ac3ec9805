//! libFuzzer's entry to `archive`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::archive::target(data));
