//! libFuzzer's entry to `seccomp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::seccomp::target(data));
