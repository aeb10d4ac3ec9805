//! libFuzzer's entry to `layer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::layer::target(data));
