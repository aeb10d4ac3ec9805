//! libFuzzer's entry to `names`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::names::target(data));
