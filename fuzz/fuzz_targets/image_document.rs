//! libFuzzer's entry to `image_document`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| containerv_fuzz::image_document::target(data));
