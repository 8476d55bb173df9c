//! The target `cluster_messages` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resound_fuzz::cluster_messages(input));
