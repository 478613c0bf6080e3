#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nginx_authgear_fuzz::credentials::run(data));
