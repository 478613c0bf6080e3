# shellcheck shell=bash
# Tests with other versions of nginx than the one at hand: fetches them, and runs the integration tests with each. Sourced
# by scripts/test after lib.sh, never run.

MATRIX=$TARGET_DIR/matrix

# The series of nginx, each with the place to get a version from: a suite of Debian, or the crate nginx-src. The nginx at
# hand represents its own series.
SERIES=(1.22:bookworm 1.26:trixie 1.28:crate newest:sid)

# What differs, or could differ, between versions of nginx: request and response headers, phases and redirects, variables,
# waiting, HTTP/2 and HTTP/3, the memory of requests, reloads, event methods.
SMOKE=(
    backends:: caching::hits caching::redirects coalescing::set_cookie event_methods:: framing:: http3:: identity_headers:: lifecycle::
    phases:: require:: status:: variables:: workers::reloads
)

# The arguments are passed on to the tests.
check_matrix() {
    build_modules
    say "the tests with nginx $NGINX_VERSION, which is at hand"
    cargo test --locked --no-default-features --test it -- "$@"
    test_other_versions full "$@"
}

check_smoke() {
    test_other_versions smoke "${@:-${SMOKE[@]}}"
}

# test_other_versions EXTENT [arguments of the tests]. With the extent "full", the release module is tested, and an
# unavailable version is an error; with "smoke", only one build is tested, which includes everything.
test_other_versions() {
    local extent=$1 row series folder version tested=() failed=()
    shift
    install_packages make patchelf
    for row in "${SERIES[@]}"; do
        series=${row%%:*} folder=$MATRIX/$series
        [[ $NGINX_VERSION != "$series".* ]] || continue
        mkdir -p "$folder"
        say "fetching nginx $series"
        if ! "fetch_${row#*:}" "$folder" >"$folder/fetch.log" 2>&1; then
            tail -n 5 "$folder/fetch.log" >&2
            [[ $extent == smoke ]] || die "nginx $series can't be fetched: see above and $folder/fetch.log"
            say "skipped: nginx $series can't be fetched, see above"
            continue
        fi
        version=$(source_version "$folder/source")
        [[ $version != "$NGINX_VERSION" ]] || continue
        # In a subshell, because the tests themselves are built against the nginx at hand.
        (prepare_version "$folder" "$extent")
        say "the tests with nginx $version"
        test_version "$folder" "$extent" "$@" || failed+=("$version")
        tested+=("$version")
    done
    ((${#failed[@]} == 0)) || die "tests failed with nginx ${failed[*]}"
    say "other versions that were tested: ${tested[*]:-none}"
}

# -- where they come from -------------------------------------------------------------------------------------------

fetch_bookworm() { fetch_from_debian bookworm "$1"; }
fetch_trixie() { fetch_from_debian trixie "$1"; }
fetch_sid() { fetch_from_debian sid "$1"; }

# Fetches Debian's own nginx of a suite as FOLDER/nginx, with all libraries that it is linked with there, including the C
# library; and as FOLDER/source the source tree for its headers. Nothing is installed: packages are unpacked, and the paths
# of the loader and the libraries are set in the program. Versions older than a day are fetched again, since suites change.
fetch_from_debian() {
    local suite=$1 folder=$2 root=$2/root packages
    [[ -z $(find "$folder" -maxdepth 1 -name nginx -mtime -1) ]] || return 0
    rm -rf "$folder/nginx" "$folder/debs" "$root"
    mkdir -p "$folder/debs" "$root"
    private_apt "$folder/apt" "$suite" deb
    cat "$folder/apt/update.log"
    # curl is for HTTP/3.
    packages=$(apt-cache "${APT[@]}" depends --recurse --no-{recommends,suggests,conflicts,breaks,replaces,enhances} \
        nginx curl | grep -E '^(nginx|curl|lib|zlib)' | sort -u) || return
    # shellcheck disable=SC2086 # a list
    (cd "$folder/debs" && apt-get "${APT[@]}" download nginx-dev $packages) || return
    find "$folder/debs" -name '*.deb' -exec dpkg --extract {} "$root" \;
    ln -sfn root/usr/share/nginx/src "$folder/source"
    take_out "$root" usr/bin/curl "$folder/curl" && take_out "$root" usr/sbin/nginx "$folder/nginx"
}

# A script that starts the loader would be simpler, but it breaks process titles: nginx writes them over its arguments,
# which are elsewhere then.
take_out() {
    local root=$1 program=$1/$2 to=$3 loader libraries
    loader=$(patchelf --print-interpreter "$program") || return
    loader=$(find "$root" -type f -name "${loader##*/}" -print -quit)
    libraries=$(gcc -print-multiarch)
    libraries=$root/usr/lib/$libraries:$root/lib/$libraries
    # Of the two kinds of path, this one also applies to the libraries of libraries.
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" --output "$to" "$program"
}

# The source of nginx 1.28 is part of that crate; cargo fetches and verifies it.
fetch_crate() {
    local folder=$1 manifest=$1/crate/Cargo.toml
    [[ ! -d $folder/source/src ]] || return 0
    mkdir -p "$folder/crate"
    printf '%s\n' '[package]' 'name = "matrix"' '[lib]' 'path = "none.rs"' '[dependencies]' 'nginx-src = "~1.28"' '[workspace]' \
        >"$manifest"
    manifest=$(cargo metadata --format-version 1 --manifest-path "$manifest" |
        grep --only-matching '[^"]*/nginx-src-[^"/]*/Cargo.toml' | head -n 1) || return
    ln -sfn "${manifest%/*}/nginx" "$folder/source"
}

# Builds nginx with the flags of the nginx at hand, and also with HTTP/3 and the event methods other than epoll.
build_nginx() {
    local folder=$1 work=$1/headers
    NGINX_VERSION=$(source_version "$folder/source")
    read_configure_flags
    drop_compiler_flags
    FLAGS+=(--with-http_v3_module --with-poll_module --with-select_module)
    configure_nginx "$folder/source" "$work"
    [[ -x $work/objs/nginx ]] || say "building nginx $NGINX_VERSION"
    make_nginx "$work"
    export AUTHGEAR_NGINX=$work/objs/nginx
    find_nginx
}

# For Debian's own nginx, only configures the headers.
configure_headers() {
    local folder=$1
    export AUTHGEAR_NGINX=$folder/nginx
    find_nginx
    check_source_version "$folder/source"
    read_configure_flags
    configure_nginx "$folder/source" "$folder/headers"
}

# -- the tests with one ---------------------------------------------------------------------------------------------

# Builds the modules for a fetched nginx, and nginx itself if it came as source.
prepare_version() {
    local folder=$1 extent=$2
    if [[ -d $folder/crate ]]; then
        build_nginx "$folder"
        ln -sf headers/objs/nginx "$folder/nginx"
    else
        configure_headers "$folder"
    fi
    share_builds
    export CARGO_TARGET_DIR=$MATRIX/cargo
    TARGET_DIR=$CARGO_TARGET_DIR
    say "building the module for nginx $NGINX_VERSION"
    build_module dev "$folder/fault-injection.so" --no-default-features --features export-modules,fault-injection
    [[ $extent == smoke ]] || build_module release "$folder/module.so"
}

# Only few crates depend on nginx's headers. For the others, reuses the results of the build for the nginx at hand; cargo
# rebuilds whatever isn't up to date.
share_builds() {
    local from=$TARGET_DIR/debug to=$MATRIX/cargo/debug
    [[ ! -d $to && -d $from/deps ]] || return 0
    mkdir -p "$to/deps"
    cp -a "$from/.fingerprint" "$from/build" "$to"
    find "$from/deps" -name 'lib*' ! -name 'libnginx_authgear*' -exec cp -a -t "$to/deps" {} +
}

test_version() {
    local folder=$1 extent=$2 faulty=$1/fault-injection.so module=$1/module.so environment
    shift 2
    [[ $extent != smoke ]] || module=$faulty
    environment=(AUTHGEAR_NGINX="$folder/nginx" AUTHGEAR_MODULE="$module" AUTHGEAR_FAULT_MODULE="$faulty"
        AUTHGEAR_HTTP3_CURL="$(find_http3_curl)")
    # valgrind needs the symbols of the loader.
    valgrind -q "$folder/nginx" -v >/dev/null 2>&1 || environment=(--unset=AUTHGEAR_VALGRIND "${environment[@]}")
    env "${environment[@]}" cargo test --locked --no-default-features --test it -- "$@"
}

# Finds a curl with HTTP/3: one that is installed, or came with a fetched nginx.
find_http3_curl() {
    local curl
    for curl in "$(type -P curl)" "$MATRIX"/*/curl; do
        [[ $("$curl" --version 2>/dev/null) != *HTTP3* ]] || { echo "$curl" && return; }
    done
}
