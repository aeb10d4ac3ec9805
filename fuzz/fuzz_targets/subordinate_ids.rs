//! libFuzzer's entry to `subordinate_ids`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::subordinate_ids::target(data));
