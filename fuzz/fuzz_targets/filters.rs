//! libFuzzer's entry to `filters`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::filters::target(data));
