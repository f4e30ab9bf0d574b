#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session_store_core::fuzzing::messagepack(bytes));
