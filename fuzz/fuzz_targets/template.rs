//! libFuzzer's entry to `template`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::template::target(data));
