//! libFuzzer's entry to `proc_files`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::proc_files::target(data));
