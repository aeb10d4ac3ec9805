//! libFuzzer's entry to `frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::frames::target(data));
