//! libFuzzer's entry to `windows_hive`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_hive::target(data));
