#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nginx_authgear_fuzz::claims_damage::run(data));
