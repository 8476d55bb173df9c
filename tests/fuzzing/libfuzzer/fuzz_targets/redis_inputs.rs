//! The target `redis_inputs` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resound_fuzz::redis_inputs(input));
