//! libFuzzer's entry to `control_groups`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::control_groups::target(data));
