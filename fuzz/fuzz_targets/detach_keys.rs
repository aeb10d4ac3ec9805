//! libFuzzer's entry to `detach_keys`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::detach_keys::target(data));
