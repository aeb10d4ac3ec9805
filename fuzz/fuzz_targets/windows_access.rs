//! libFuzzer's entry to `windows_access`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_access::target(data));
