//! libFuzzer's entry to `cpu_list`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::cpu_list::target(data));
