//! libFuzzer's entry to `byte_size`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::byte_size::target(data));
