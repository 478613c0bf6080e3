//! Passes the nginx version to rustc, and generates the bindings that nginx-sys lacks or gets wrong.

use std::env;
use std::error::Error;
use std::path::PathBuf;

/// The oldest supported nginx, as an `nginx_version` number.
const OLDEST_NGINX: u32 = 1_022_000;

/// The first version that links header lines of the same name.
const LINKED_HEADERS: u32 = 1_023_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    forward_version()?;
    let headers = headers()?;
    generate_bindings(&headers)?;
    compile_bit_fields(&headers);
    // A thread or an exit handler may outlive a dlclose(), so the code must stay mapped.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    Ok(())
}

/// Sets `cfg(nginx1_23_0)`, and rejects versions that were never tested.
fn forward_version() -> Result<(), Box<dyn Error>> {
    let version: u32 = env::var("DEP_NGINX_VERSION_NUMBER")?.trim().parse()?;
    if version < OLDEST_NGINX {
        return Err(format!(
            "nginx {}.{}.{} is too old: this module needs nginx 1.22.0 or newer",
            version / 1_000_000,
            version / 1000 % 1000,
            version % 1000
        )
        .into());
    }
    println!("cargo::rustc-check-cfg=cfg(nginx1_23_0)");
    if version >= LINKED_HEADERS {
        println!("cargo::rustc-cfg=nginx1_23_0");
    }
    Ok(())
}

/// The compiler arguments for finding nginx's headers.
fn headers() -> Result<Vec<String>, Box<dyn Error>> {
    let includes = env::var_os("DEP_NGINX_INCLUDE").ok_or("nginx-sys names no include folders")?;
    let includes = env::split_paths(&includes).map(|path| format!("-I{}", path.display()));
    let defines = env::var("DEP_NGINX_CFLAGS").unwrap_or_default();
    let defines = defines.split_whitespace().map(str::to_owned);
    Ok(includes.chain(defines).collect())
}

/// nginx-sys includes only `ngx_core.h` and `ngx_http.h`, and has no bindings for macros that expand to macros.
fn generate_bindings(headers: &[String]) -> Result<(), Box<dyn Error>> {
    const HEADER: &str = "src/nginx/ffi/bindings.h";
    println!("cargo::rerun-if-changed={HEADER}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    bindgen::Builder::default()
        .header(HEADER)
        .clang_args(headers)
        .allowlist_function("ngx_add_channel_event|ngx_http_authgear_.*")
        .allowlist_var("NGX_AUTHGEAR_.*")
        // Use the types of nginx-sys: a second definition would be a different type.
        .allowlist_recursively(false)
        .use_core()
        .layout_tests(false)
        .generate()?
        .write_to_file(out.join("bindings.rs"))?;
    Ok(())
}

/// Compiles C code for the bit-fields, which bindgen gets wrong.
fn compile_bit_fields(headers: &[String]) {
    const SOURCE: &str = "src/nginx/ffi/bit_fields.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    let mut compiler = cc::Build::new();
    for argument in headers {
        compiler.flag(argument);
    }
    // Warnings here come from nginx's headers.
    compiler.file(SOURCE).warnings(false).compile("bit_fields");
}
