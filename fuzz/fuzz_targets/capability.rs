//! libFuzzer's entry to `capability`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::capability::target(data));
