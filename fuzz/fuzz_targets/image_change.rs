//! libFuzzer's entry to `image_change`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::image_change::target(data));
