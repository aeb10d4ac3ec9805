//! libFuzzer's entry to `c_arguments`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::c_arguments::target(data));
