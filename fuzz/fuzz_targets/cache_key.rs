#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nginx_authgear_fuzz::cache_key::run(data));
