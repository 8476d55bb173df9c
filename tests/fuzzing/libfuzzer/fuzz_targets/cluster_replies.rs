//! The target `cluster_replies` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resound_fuzz::cluster_replies(input));
