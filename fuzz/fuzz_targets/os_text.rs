//! libFuzzer's entry to `os_text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::os_text::target(data));
