//! libFuzzer's entry to `windows_files`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_files::target(data));
