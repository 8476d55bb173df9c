//! The target `php_config` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resound_fuzz::php_config(input));
