//! libFuzzer's entry to `log_entry`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::log_entry::target(data));
