//! libFuzzer's entry to `windows_path`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_path::target(data));
