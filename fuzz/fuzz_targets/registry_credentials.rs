//! libFuzzer's entry to `registry_credentials`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::registry_credentials::target(data));
