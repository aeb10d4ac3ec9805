//! libFuzzer's entry to `option_values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::option_values::target(data));
