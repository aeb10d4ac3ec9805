//! libFuzzer's entry to `windows_layer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::windows_layer::target(data));
