# shellcheck shell=bash
# The checks of the Debian package. Sourced by scripts/test after lib.sh, never run.
# shellcheck disable=SC2154 # scripts/test sets other_nginx and nginx_source

PACKAGE=libnginx-mod-http-authgear

# -- what is in it ----------------------------------------------------------------------------------------------

# Builds the package and inspects it. Takes seconds if the module is built already.
check_package() {
    local package content again
    [[ -z $other_nginx ]] || { say "skipped: this is not the system's nginx" && return; }
    need_module
    package=$(scripts/package)
    content=$TARGET_DIR/package/content
    rm -rf "$content"
    dpkg-deb --raw-extract "$package" "$content"
    check_fields "$package"
    check_files "$content"
    check_copyright "$content/usr/share/doc/$PACKAGE/copyright"
    check_size "$content/usr/lib/nginx/modules/$MODULE_FILE"
    # lintian isn't installed only for this.
    if command -v lintian >/dev/null; then
        lintian --allow-root --fail-on error,warning "$package"
    fi
    cp "$package" "$content.deb"
    again=$(scripts/package)
    cmp "$again" "$content.deb" || die "the package is another one when it is made again"
}

# A run of all checks has built it before.
need_module() {
    [[ -z ${AUTHGEAR_MODULE:-} ]] || return 0
    export AUTHGEAR_MODULE=$TARGET_DIR/release/$MODULE_FILE
    build_module release "$AUTHGEAR_MODULE"
}

check_fields() {
    local package=$1 depends abi
    depends=$(dpkg-deb --field "$package" Depends)
    abi=$(sed -n 's/^nginx:abi=//p' /usr/share/nginx/src/debian/libnginx-mod.abisubstvars)
    [[ ", $depends, " == *", $abi, "* ]] || die "the package does not depend on $abi: $depends"
    [[ $depends == *'libc6 (>= '* ]] || die "the package does not depend on the C library: $depends"
    [[ $(dpkg-deb --field "$package" Version) == "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)+"* ]] ||
        die "the version of the package is not that of Cargo.toml"
}

# Exactly these files (debhelper compresses large documents), and maintainer scripts that name the link.
check_files() {
    local content=$1 doc=./usr/share/doc/$PACKAGE expected found script
    expected=$(
        printf '%s\n' "./usr/lib/nginx/modules/$MODULE_FILE" ./usr/share/nginx/modules-available/mod-http-authgear.conf \
            "$doc"/{README.md,changelog,changelog.Debian,copyright} "./usr/share/lintian/overrides/$PACKAGE"
        (cd docs && printf "$doc/%s\n" *.md *.png)
        find nginx-conf monitoring -type f -printf "$doc/examples/%p\n" | sed 's|/nginx-conf/|/|'
    )
    found=$(cd "$content" && find . -type f -not -path './DEBIAN/*' | sed 's/\.gz$//')
    diff <(LC_ALL=C sort <<<"$expected") <(LC_ALL=C sort <<<"$found") ||
        die "the package has other files than it should have, see above"
    cmp "$AUTHGEAR_MODULE" "$content/usr/lib/nginx/modules/$MODULE_FILE"
    [[ $(<"$content/usr/share/nginx/modules-available/mod-http-authgear.conf") == "load_module modules/$MODULE_FILE;" ]] ||
        die "the package does not load the module"
    for script in postinst prerm postrm; do
        sh -n "$content/DEBIAN/$script"
        grep -q '50-mod-http-authgear.conf' "$content/DEBIAN/$script" || die "$script does not know the link"
    done
    grep -q 'dpkg-trigger --no-await nginx-reload' "$content/DEBIAN/postinst" || die "nginx is not told of the module"
}

# Checks for a library from Cargo.lock, and for one whose licence must be included.
check_copyright() {
    local name
    while read -r name _; do
        grep -q "^  $name v" "$1" || die "the copyright file does not know the library $name"
    done < <(cargo tree --locked --edges normal,no-proc-macro --prefix none --depth 1 | sed 1d)
    grep -q '^-- moka [0-9.]*, NOTICE --$' "$1" || die "the copyright file lacks moka's notice"
    grep -q '^-- aws-lc-sys [0-9.]*, LICENSE --$' "$1" || die "the copyright file lacks AWS-LC's terms"
}

# Checks what the manual says about the file: its size, with a tolerance for other compilers, and the libraries that it
# loads.
check_size() {
    local said size libraries names
    libraries=$(readelf --dynamic --wide "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p' | grep -v '^ld-linux' | sort | xargs)
    [[ $libraries == "libc libgcc_s" ]] || die "the module loads other libraries than the manual says: $libraries"
    # If AWS-LC's functions were exported, nginx's OpenSSL could be bound to them.
    names=$(nm --dynamic --defined-only "$1" | awk '{ print $3 }' | sort | xargs)
    [[ $names == "ngx_http_authgear_module ngx_module_names ngx_module_order ngx_modules" ]] ||
        die "the module exports other names than nginx looks up: $names"
    [[ $(uname -m) == x86_64 ]] || return 0
    said=$(sed -n 's/^On amd64 it is a file of \([0-9]*\)\.\([0-9]\) MB.*/\1\200000/p' docs/install.md)
    size=$(stat --format=%s "$1")
    ((size > said * 9 / 10 && size < said * 11 / 10)) || die "the manual says that the module has $said bytes, and it has $size"
}

# -- the module again -------------------------------------------------------------------------------------------

# Builds the module from scratch in another folder, which has a space in its name, with other copies of its libraries. The
# file must be identical.
check_reproducible() {
    local module=$TARGET_DIR/release/$MODULE_FILE elsewhere=$TARGET_DIR/reproducible/other\ place
    # Some libraries record the time of compilation, and cargo doesn't know whether scripts/build compiled them.
    cargo clean --release --package libmimalloc-sys
    build_module release "$module"
    rm -rf "$elsewhere"
    mkdir -p "$elsewhere/cargo/registry"
    cp -R .cargo Cargo.toml Cargo.lock build.rs src scripts tests "$elsewhere"
    cp -R "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$elsewhere/cargo/registry"
    env CARGO_TARGET_DIR="$elsewhere/target" CARGO_HOME="$elsewhere/cargo" \
        "$elsewhere/scripts/build" ${nginx_source:+--nginx-source "$nginx_source"}
    cmp "$module" "$elsewhere/target/release/$MODULE_FILE" || die "the module is another one when it is built in another folder"
    rm -rf "$elsewhere"
}

# -- in use -----------------------------------------------------------------------------------------------------

# Installs the package in a separate Debian system, in a folder: apt, dpkg and nginx are real, and the machine's own aren't
# touched.
check_installation() {
    local root=$TARGET_DIR/package/root package newer unfit
    [[ -z $other_nginx ]] || { say "skipped: this is not the system's nginx" && return; }
    install_packages mmdebstrap curl
    need_module
    cargo build --locked --no-default-features --example standin
    package=$(scripts/package)
    newer=$(scripts/package --revision 2)
    unfit=$(unfit_package "$package")
    make_root "$root"
    as_root unshare --mount-proc --pid --fork --kill-child --net --ipc --uts -- \
        tests/package/lifecycle.sh "$root" "$TARGET_DIR/debug/examples/standin" "$unfit" "$package" "$newer"
    as_root rm -rf "$root"
}

# Creates a root file system like this system's, without what isn't needed to install a package. The packages that ours
# depends on are available for installation.
make_root() {
    local root=$1 suite source sources=()
    for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [[ -s $source ]] && sources+=("$source")
    done
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    say "making a small Debian"
    as_root rm -rf "$root"
    # shellcheck disable=SC2016 # the hook is for mmdebstrap's shell
    as_root mmdebstrap --quiet --variant=apt --skip=cleanup/apt \
        --customize-hook='chroot "$1" apt-get --yes --download-only --option APT::Install-Recommends=true install nginx ca-certificates' \
        "$suite" "$root" "${sources[@]}" ||
        die "mmdebstrap could not make a Debian in $root: see above"
}

# The same package for an nginx that doesn't exist.
unfit_package() {
    local folder=$TARGET_DIR/package/unfit
    rm -rf "$folder"
    dpkg-deb --raw-extract "$1" "$folder"
    sed -i '/^Depends: /s/nginx-abi-[^,]*/nginx-abi-0.0.0-0/' "$folder/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$folder" "$folder.deb" >&2
    echo "$folder.deb"
}
