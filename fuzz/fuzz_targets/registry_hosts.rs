//! libFuzzer's entry to `registry_hosts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::registry_hosts::target(data));
