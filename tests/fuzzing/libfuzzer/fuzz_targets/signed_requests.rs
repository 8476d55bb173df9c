//! The target `signed_requests` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resound_fuzz::signed_requests(input));
