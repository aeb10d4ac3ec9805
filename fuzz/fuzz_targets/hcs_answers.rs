//! libFuzzer's entry to `hcs_answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::hcs_answers::target(data));
