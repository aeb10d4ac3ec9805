//! libFuzzer's entry to `container_directory`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::container_directory::target(data));
