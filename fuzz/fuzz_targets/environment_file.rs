//! libFuzzer's entry to `environment_file`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::environment_file::target(data));
