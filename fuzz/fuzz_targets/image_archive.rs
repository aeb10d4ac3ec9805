//! libFuzzer's entry to `image_archive`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::image_archive::target(data));
