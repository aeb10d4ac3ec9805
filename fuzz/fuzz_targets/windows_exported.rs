//! libFuzzer's entry to `windows_exported`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_exported::target(data));
