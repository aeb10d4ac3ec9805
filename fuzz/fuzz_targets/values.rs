//! libFuzzer's entry to `values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::values::target(data));
