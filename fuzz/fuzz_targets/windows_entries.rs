//! libFuzzer's entry to `windows_entries`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_entries::target(data));
