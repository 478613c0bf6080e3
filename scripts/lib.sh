# shellcheck shell=bash
# What the scripts share: messages, packages, and the nginx to build for. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
[[ $TARGET_DIR == /* ]] || TARGET_DIR=$PWD/$TARGET_DIR
# Absolute, because cargo runs in the repository's root, whatever the caller's folder is.
export CARGO_TARGET_DIR=$TARGET_DIR

# shellcheck disable=SC2034 # the scripts use it
MODULE_FILE=ngx_http_authgear_module.so
OLDEST_NGINX=1.22.0
# Needed for nginx's headers and bindgen; AWS-LC contains C and assembly.
BUILD_PACKAGES=(gcc libclang-dev libpcre2-dev libssl-dev zlib1g-dev)

# -- words ----------------------------------------------------------------------------------------------------

# Progress goes to stderr; stdout is for the result of a script.
say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Prints the absolute path of the folder that an argument names.
folder() {
    [[ -d $1 ]] || die "there is no folder $1"
    (cd "$1" && pwd)
}

# Prints the comment at the head of a script, which is its help.
usage() {
    sed -n '2,/^[^#]/ { s/^# \{0,1\}//p }' "$0"
}

# -- packages -------------------------------------------------------------------------------------------------

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing and only root can install them:" \
            "run \"apt-get install ${missing[*]}\" as root, then this again"
    fi
}

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Abbrev}' "$1" 2>/dev/null) == ?i* ]]
}

# Installs those of the named packages that are missing.
install_packages() {
    local package missing=()
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here, so nothing is installed: this needs what Debian calls $*"
        return
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    say "installing ${missing[*]}"
    update_package_lists
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -q "${missing[@]}" >&2 ||
        die "apt-get could not install ${missing[*]}: see above, install them by hand, then run this again"
}

# A fresh machine or container has no package lists; update them once per run. Continue if a source can't be reached, since
# the packages may be available from another one.
update_package_lists() {
    [[ -z ${package_lists_updated:-} ]] || return 0
    package_lists_updated=yes
    as_root apt-get update -q >&2 || say "apt-get update failed, going on with the package lists that are there"
}

# private_apt FOLDER SUITE KIND: sets APT to the options that make apt-get and apt-cache use this suite of Debian, packages
# (deb) or sources (deb-src), from the mirrors that the machine uses. The lists are stored in FOLDER; those of the machine
# don't change. Signatures are verified as usual.
private_apt() {
    local folder=$1 suite=$2 kind=$3 own
    own="$(own_suite)\|stable\|testing\|unstable\|sid"
    rm -rf "$folder"
    mkdir -p "$folder"/{parts,lists/partial,cache/archives/partial}
    : >"$folder/status"
    # Either form of the source lists may be missing.
    sed "s/^Types:.*/Types: $kind/; /^Suites:/s/\b\($own\)\b/$suite/g" /etc/apt/sources.list.d/*.sources \
        >"$folder/parts/a.sources" 2>/dev/null || true
    sed -n "/^deb /{ s/^deb /$kind /; s/ \($own\)\b/ $suite/; p }" /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
        >"$folder/parts/b.list" 2>/dev/null || true
    APT=(-q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$folder/parts" -o "Dir::State::status=$folder/status"
        -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "APT::Sandbox::User=$(id -un)"
        -o "Acquire::Languages=none")
    # Continue if a source has no such list: sid has no security updates.
    apt-get "${APT[@]}" update >"$folder/update.log" 2>&1 || true
}

# Prints the suite of this system.
own_suite() {
    # shellcheck source=/dev/null
    (. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
}

# -- Rust -----------------------------------------------------------------------------------------------------

find_cargo() {
    local needed found
    # rustup installs cargo there, but doesn't change the PATH of a running shell.
    command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    command -v cargo >/dev/null ||
        die "no cargo on PATH: install Rust $needed or newer (rustup installs it), then run this again"
    found=$(cargo --version | awk '{ print $2 }')
    is_older "$found" "$needed" &&
        die "cargo $found is too old: install Rust $needed or newer (\"rustup update stable\"), then run this again"
    return 0
}

# is_older A B: succeeds if version A is less than version B.
is_older() {
    [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort --version-sort | head -n 1) == "$1" ]]
}

# -- the nginx that is built for ------------------------------------------------------------------------------

# Sets NGINX and NGINX_VERSION. Debian's /usr/sbin isn't on every user's PATH.
find_nginx() {
    local wanted=${AUTHGEAR_NGINX:-nginx} words
    NGINX=$(PATH=$PATH:/usr/sbin type -P "$wanted") ||
        die "there is no program $wanted here: install nginx or name its binary in AUTHGEAR_NGINX"
    [[ $NGINX == /* ]] || NGINX=$PWD/$NGINX
    words=$("$NGINX" -v 2>&1) || die "$NGINX does not run: \"$words\"; name another nginx in AUTHGEAR_NGINX"
    NGINX_VERSION=$(sed -n 's|^nginx version: nginx/\([0-9.]*\).*|\1|p' <<<"$words")
    [[ -n $NGINX_VERSION ]] ||
        die "$NGINX says \"$words\", which is not a version of nginx: name an nginx in AUTHGEAR_NGINX"
    is_older "$NGINX_VERSION" "$OLDEST_NGINX" &&
        die "$NGINX is nginx $NGINX_VERSION, which is too old: the module needs nginx $OLDEST_NGINX or newer"
    export AUTHGEAR_NGINX=$NGINX
}

# Installs nginx if it is missing, gets its source tree if none is given, then prepares the headers.
prepare_nginx() {
    local source=$1
    install_packages "${BUILD_PACKAGES[@]}"
    # Debian's package starts a server on port 80, so don't install it on a machine that has an nginx.
    [[ -n ${AUTHGEAR_NGINX:-} ]] || PATH=$PATH:/usr/sbin type -P nginx >/dev/null || install_packages nginx
    find_nginx
    if [[ -z $source ]]; then
        install_packages nginx-dev
        source=/usr/share/nginx/src
        [[ -d $source ]] ||
            die "there is no source of nginx $NGINX_VERSION on this machine: unpack it and name it with --nginx-source DIR"
    fi
    check_source_version "$source"
    read_configure_flags
    configure_nginx "$source" "$TARGET_DIR/nginx-$NGINX_VERSION"
}

# Prints the nginx version of a source tree.
source_version() {
    local header=$1/src/core/nginx.h
    [[ -f $header ]] || die "$1 is not the source tree of an nginx: it has no src/core/nginx.h"
    sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$header"
}

check_source_version() {
    local version
    version=$(source_version "$1")
    [[ $version == "$NGINX_VERSION" ]] ||
        die "the source in $1 is of nginx $version but $NGINX is nginx $NGINX_VERSION, and a module loads only in the" \
            "version that it was built for: give the source of nginx $NGINX_VERSION with --nginx-source DIR," \
            "or the nginx $version binary in AUTHGEAR_NGINX"
}

# Sets FLAGS to the flags that nginx itself was configured with. They determine the layout of its structures: debug, threads
# and others add members, so any flag that could matter is kept.
read_configure_flags() {
    local arguments words flag
    arguments=$("$NGINX" -V 2>&1 | sed -n 's/^configure arguments: *//p')
    # nginx prints them quoted for a shell; xargs splits them without running anything.
    words=$(xargs -r printf '%s\n' <<<"$arguments") ||
        die "the configure arguments that \"$NGINX -V\" prints can't be split into words"
    FLAGS=()
    while IFS= read -r flag; do
        case $flag in
            '') ;;
            # Modules that need libraries of their own. They add no member to any structure.
            --add-dynamic-module=* | --with-http_xslt_module* | --with-http_image_filter_module*) ;;
            --with-http_geoip_module* | --with-stream_geoip_module* | --with-http_perl_module*) ;;
            --with-google_perftools_module) ;;
            # Source trees of libraries on the machine that built nginx; this machine's headers are used instead.
            --with-pcre=* | --with-openssl=* | --with-zlib=*) ;;
            *) FLAGS+=("$flag") ;;
        esac
    done <<<"$words"
}

# configure_nginx SOURCE WORK: runs nginx's configure with FLAGS, which takes seconds and builds nothing, and exports the
# variables that nginx-sys needs. configure writes to its working directory, so it gets a separate one with links to the
# source tree, which may be read-only. All paths are relative, because nginx's makefiles don't support paths with a space.
configure_nginx() {
    local source=$1 work=$2
    local stamp=$work/configured log=$work/configure.log wanted
    wanted=$(printf '%s\n' "$NGINX_VERSION" "$source" "${FLAGS[@]}")
    export NGINX_SOURCE_DIR=$work NGINX_BUILD_DIR=$work/objs
    [[ $wanted == "$(cat "$stamp" 2>/dev/null)" ]] && return

    say "configuring the headers of nginx $NGINX_VERSION"
    rm -rf "$work"
    mkdir -p "$work"
    ln -s "$source/auto" "$source/src" "$work"
    # A release has configure at the top, a clone of the repository in auto.
    if [[ -f $source/configure ]]; then
        ln -s "$source/configure" "$work/configure"
    else
        ln -s "$source/auto/configure" "$work/configure"
    fi
    (cd "$work" && sh ./configure "${FLAGS[@]}" --builddir=objs) >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        die "nginx's configure failed in $source: see above and $log, install what it asks for, then run this again"
    }
    # Last, so that an interrupted run is repeated.
    echo "$wanted" >"$stamp"
}

# Drops the flags for the compiler and the linker, which are for Debian's build.
drop_compiler_flags() {
    local flag kept=()
    for flag in "${FLAGS[@]}"; do
        case $flag in
            --with-cc-opt=* | --with-ld-opt=*) ;;
            *) kept+=("$flag") ;;
        esac
    done
    FLAGS=("${kept[@]}")
}

# make_nginx WORK [arguments of make]: builds the nginx that was configured there, as WORK/objs/nginx.
make_nginx() {
    local work=$1
    shift
    make -C "$work" -j "$(nproc)" -f objs/Makefile "$@" binary >"$work/make.log" 2>&1 || {
        tail -n 5 "$work/make.log" >&2
        die "nginx $NGINX_VERSION can't be built: see above and $work/make.log"
    }
}

# -- the module -----------------------------------------------------------------------------------------------

# build_module PROFILE TO [cargo arguments]: builds the module, checks that it loads, and puts it at TO. It is renamed into
# place: a running nginx may have the old file mapped, and a module that doesn't load must not replace one that does.
build_module() {
    local profile=$1 to=$2 folder=$1
    shift 2
    [[ $profile == dev ]] && folder=debug
    set -- --config "$(rustflags "$profile")" "$@"
    (cd "$ROOT" && cargo build --locked --lib --profile "$profile" "$@") >&2 ||
        die "cargo could not build the module: see above"
    mkdir -p "$(dirname "$to")"
    cp "$TARGET_DIR/$folder/libnginx_authgear.so" "$to.new"
    check_module_loads "$to.new" "$to"
    mv "$to.new" "$to"
}

# Additional flags for rustc. A release is the same file, byte for byte, wherever it is built, and contains no folder names
# of the machine: the locations of panics contain paths. If several folders match, rustc uses the last one, and the others
# may be inside ROOT. With musl (Alpine), Rust links statically by default, and then can neither build a module nor load
# libclang.
rustflags() {
    local profile=$1 flags=()
    [[ $profile == release ]] && flags=("--remap-path-prefix=$ROOT=."
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$TARGET_DIR=target")
    [[ $(rustc -vV) != *-linux-musl* ]] || flags+=(-Ctarget-feature=-crt-static)
    printf 'build.rustflags = ['
    ((${#flags[@]} == 0)) || printf '"%s", ' "${flags[@]}"
    printf ']'
}

# Only nginx itself can tell whether a module is compatible with it.
check_module_loads() {
    local module=$1 to=$2 dir words
    dir=$(mktemp -d)
    # Use a link, so that no character of the path has a meaning in nginx's configuration.
    ln -s "$module" "$dir/module.so"
    # The user that this nginx was configured to run as may not exist on this machine.
    printf '%s\n' 'load_module module.so;' 'user root;' 'pid nginx.pid;' 'error_log stderr;' 'events {}' >"$dir/nginx.conf"
    if words=$("$NGINX" -t -p "$dir/" -c nginx.conf -e stderr 2>&1); then
        rm -rf "$dir"
        return
    fi
    rm -rf "$dir" "$module"
    printf '%s\n' "$words" >&2
    die "$NGINX refuses the module that was to be $to: $(explain_refusal "$words")"
}

explain_refusal() {
    case $1 in
        *'is not binary compatible'*)
            echo "its headers were configured in another way; give the source tree of this very nginx (--nginx-source DIR)"
            ;;
        *'instead of'*)
            echo "it was built for another version; remove $TARGET_DIR/nginx-$NGINX_VERSION and run this again"
            ;;
        *'ngx_modules'*)
            echo "it lacks the tables that nginx looks up; it must be built with the feature export-modules"
            ;;
        *'undefined symbol'*)
            echo "it uses a function that this nginx does not have; was nginx built without http?"
            ;;
        *)
            echo "see nginx's words above"
            ;;
    esac
}

# -- AddressSanitizer -----------------------------------------------------------------------------------------

ASAN_TARGET=x86_64-unknown-linux-gnu

# gcc's runtime is preloaded into nginx, which isn't linked with it.
can_check_addresses() {
    [[ $(gcc -print-file-name=libasan.so) == /* && $(uname -m) == x86_64 ]]
}

# Builds the module with AddressSanitizer. The sanitizer needs flags of the nightly toolchain, which the stable one accepts
# with RUSTC_BOOTSTRAP.
build_with_asan() {
    (cd "$ROOT" && RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$TARGET_DIR/asan \
        cargo build --locked --lib --release --no-default-features --features export-modules \
        --target "$ASAN_TARGET" --config 'profile.release.lto=false') >&2 ||
        die "cargo could not build the module with AddressSanitizer: see above"
}

# Runs tests with that module. Leaks are left to valgrind, since nginx itself leaves memory behind when it ends.
with_asan() {
    env --unset=AUTHGEAR_VALGRIND AUTHGEAR_TEST_SLOW=3 \
        AUTHGEAR_MODULE="$TARGET_DIR/asan/$ASAN_TARGET/release/libnginx_authgear.so" \
        AUTHGEAR_NGINX_RUNNER="env LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:abort_on_error=1" \
        "$@"
}
