//! libFuzzer's entry to `registry_challenge`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::registry_challenge::target(data));
