//! libFuzzer's entry to `image_reference`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::image_reference::target(data));
