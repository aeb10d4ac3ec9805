//! libFuzzer's entry to `passwd`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::passwd::target(data));
