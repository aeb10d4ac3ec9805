//! libFuzzer's entry to `records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::records::target(data));
