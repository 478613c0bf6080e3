# shellcheck shell=bash
# The additional checks of scripts/test --full, which take minutes or need more from the network. Sourced after lib.sh,
# never run. The arguments of a check are passed on to its tests.
# shellcheck disable=SC2154 # scripts/test sets nginx_source and other_nginx

# The advisories are in a separate repository, which may be unreachable.
check_advisories() {
    command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
    if cargo deny --locked fetch db; then
        cargo deny --locked check
    else
        say "advisories were not checked: their database can't be fetched"
    fi
}

check_fuzzing() {
    scripts/fuzz --seconds 120 ${nginx_source:+--nginx-source "$nginx_source"} "$@"
}

# A release with assertions and overflow checks, for checkers; it builds faster than one that is shipped.
CHECKED=(--config 'profile.release.lto=false' --config 'profile.release.codegen-units=16'
    --config 'profile.release.debug-assertions=true')

# -- Miri -----------------------------------------------------------------------------------------------------

# Excluded are src/nginx (except the tests named here), which calls C, and the resolver thread, whose system calls Miri
# doesn't support. The property tests of claims and store, and the test with a hundred thousand resolvers, would take hours.
MIRI_TESTS=(nginx::ffi::request blocks:: breaker:: client:: freshness:: identity_header:: policy:: session:: single_flight::
    --skip the_resolvers_heard_of_last_are_remembered)

# Runs the tests of pure Rust code in an interpreter that detects undefined behaviour. Only nightly toolchains have it.
# Arguments name other tests instead, which are also checked for leaks.
check_miri() {
    cargo +nightly miri --version >/dev/null 2>&1 ||
        rustup component add --toolchain nightly miri rust-src >&2 ||
        { say "skipped: no Miri here, which needs a nightly toolchain of Rust" && return; }
    if (($# > 0)); then
        under_miri '' "$@"
        return
    fi
    under_miri '' "${MIRI_TESTS[@]}"
    # At the end, memory that moka has yet to free is in a static of crossbeam, behind tagged pointers, which Miri doesn't
    # recognize: it would report leaks.
    under_miri '-Zmiri-ignore-leaks' cache::
}

# under_miri FLAGS TESTS... Miri is some hundred times slower, so each property runs a single case. moka follows the rules
# of Tree Borrows, but not the stricter ones of Stacked Borrows.
under_miri() {
    local flags=$1
    shift
    CARGO_TARGET_DIR=$TARGET_DIR/miri PROPTEST_CASES=1 MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows $flags" \
        cargo +nightly miri test --locked --no-default-features --lib -- "$@"
}

# -- sanitizers -----------------------------------------------------------------------------------------------

SANITIZERS=$TARGET_DIR/sanitizers
REPORTS=$SANITIZERS/reports

# These check the memory of a worker, but AddressSanitizer retains up to 256 MB of freed memory for a while.
NOT_UNDER_SANITIZERS=(
    --skip fifty_thousand_vanishing_clients_leave_nothing_behind
    --skip a_large_body_is_not_read_to_its_end
    --skip a_head_without_end_is_given_up_in_bounded_memory
    --skip fills_no_memory
    # It is a separate check.
    --skip fuzz::
    # These check memory at the end; apart from that they pass.
    --skip a_connection_that_is_sent_away_is_a_lost --skip a_stream_that_is_reset_is_a_lost
    --skip broken_frames_are_malformed --skip heads_that_break_the_rules --skip a_server_that_lets_no_stream_begin
)

# Runs the integration tests with an nginx that has AddressSanitizer (with leak detection) and UBSan, and modules that have
# AddressSanitizer, which rustc supports for these two machines; rustc has no UBSan. valgrind is a separate check, and leaks
# can't be detected in a traced process.
check_sanitizers() {
    local status=0
    case $(uname -m) in
        x86_64 | aarch64) ;;
        *) say "skipped: no AddressSanitizer here" && return ;;
    esac
    mkdir -p "$SANITIZERS"
    # In a subshell, because the tests themselves are built against the nginx from before.
    (build_under_sanitizers)
    rm -rf "$REPORTS"
    mkdir "$REPORTS"
    env --unset=AUTHGEAR_VALGRIND --unset=AUTHGEAR_STRACE AUTHGEAR_TEST_SLOW=3 AUTHGEAR_NGINX="$SANITIZERS/nginx/objs/nginx" \
        AUTHGEAR_MODULE="$SANITIZERS/module.so" AUTHGEAR_FAULT_MODULE="$SANITIZERS/fault-injection.so" \
        cargo test --locked --no-default-features --test it -- "${NOT_UNDER_SANITIZERS[@]}" "$@" || status=$?
    if [[ -n $(ls "$REPORTS") ]]; then
        tail -n +1 "$REPORTS"/* >&2
        die "the sanitizers found something, see above; their reports are in $REPORTS"
    fi
    return "$status"
}

build_under_sanitizers() {
    local source=$nginx_source
    install_packages gcc make
    if [[ ! -f $source/src/core/nginx.c ]]; then
        fetch_nginx_source
    fi
    check_source_version "$source"
    build_nginx_under_sanitizers "$source" "$SANITIZERS/nginx"
    build_module_under_sanitizers "$SANITIZERS/module.so" --features export-modules
    build_module_under_sanitizers "$SANITIZERS/fault-injection.so" --features export-modules,fault-injection
}

# Debian's nginx-dev has only the headers. Sets source to the source tree of exactly the installed package, from the
# machine's mirrors. Uses separate lists, because the machine's may lack the sources.
fetch_nginx_source() {
    local package
    package=$(dpkg-query --show --showformat='${source:Package}=${source:Version}' nginx 2>/dev/null) || true
    [[ -n $package && -z $other_nginx ]] ||
        die "the sanitizers need the whole source of nginx $NGINX_VERSION: name it with --nginx-source DIR"
    source=$SANITIZERS/$package/nginx-$NGINX_VERSION
    [[ ! -f $source/src/core/nginx.c ]] || return 0
    say "fetching the source $package"
    install_packages dpkg-dev
    rm -rf "${source%/*}"
    mkdir -p "${source%/*}"
    private_apt "$SANITIZERS/apt" "$(own_suite)" deb-src
    # Only the tarball, of any available revision: Debian's patches change no structure.
    (cd "${source%/*}" && apt-get "${APT[@]}" source --tar-only "${package%%=*}" >&2 && tar -xf nginx_*.orig.tar.*) ||
        die "the source of $package can't be fetched: name the source tree of nginx $NGINX_VERSION with --nginx-source DIR"
}

# Uses the flags of the nginx at hand, except those for the compiler. Each allocation from a pool becomes a malloc, so that
# overflows by a single byte are detected. nginx writes HTTP/2 integers to unaligned addresses on machines that allow it,
# which is switched off here, and passes null pointers with a length of 0, which is tolerated.
build_nginx_under_sanitizers() {
    local source=$1 work=$2
    local sanitize='-fsanitize=address,undefined -fno-sanitize=nonnull-attribute -fno-sanitize-recover=undefined'
    read_configure_flags
    drop_compiler_flags
    FLAGS+=(--with-ld-opt="$sanitize" --with-cc-opt="-g -O1 -fno-omit-frame-pointer $sanitize \
-DNGX_DEBUG_PALLOC=1 -DNGX_HAVE_NONALIGNED=0")
    configure_nginx "$source" "$work"
    cc -g -c "-DREPORTS=\"$REPORTS/report\"" tests/sanitizers/options.c -o "$work/options.o"
    rm -f "$work/objs/nginx"
    say "building nginx $NGINX_VERSION with AddressSanitizer and UBSan"
    # Not with configure: its test programs have no such function.
    make_nginx "$work" LINK='cc options.o -Wl,--wrap=ngx_create_pool'
}

# build_module_under_sanitizers TO [cargo arguments]. The target is named explicitly; otherwise the sanitizer would also
# apply to build scripts. Assertions and overflow checks find what the sanitizer can't; symbols and line numbers are for its
# reports.
build_module_under_sanitizers() {
    local to=$1 target
    shift
    target=$(rustc -vV | sed -n 's/^host: //p')
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$SANITIZERS/cargo \
        cargo build --locked --lib --release --target "$target" --no-default-features "$@" \
        "${CHECKED[@]}" --config 'profile.release.debug="line-tables-only"' --config 'profile.release.strip="none"'
    cp "$SANITIZERS/cargo/$target/release/libnginx_authgear.so" "$to.new"
    mv "$to.new" "$to"
}

# -- valgrind -------------------------------------------------------------------------------------------------

# Runs the integration tests with each nginx under valgrind, to find errors and definite leaks. Everything takes thirty
# times as long, so many tests fail with timeouts: only valgrind's reports count, not the results of the tests. The tests
# under valgrind whose results do count are part of every run (tests/it/memory.rs); their suppressions apply here too. Many
# tests mostly wait, so several run on each processor.
check_valgrind() {
    local reports=$TARGET_DIR/valgrind/reports module=$TARGET_DIR/valgrind/$MODULE_FILE words found processes
    install_packages valgrind
    build_module_for_valgrind "$module"
    rm -rf "$reports"
    mkdir -p "$reports"
    words="valgrind --quiet --leak-check=full --show-leak-kinds=definite --num-callers=40 --fair-sched=yes"
    words+=" --log-file=$reports/%p --suppressions=$ROOT/tests/it/memory/valgrind.supp"
    words+=" --suppressions=$ROOT/tests/it/memory/panics.supp"
    env --unset=AUTHGEAR_VALGRIND --unset=AUTHGEAR_STRACE AUTHGEAR_TEST_SLOW=5 AUTHGEAR_NGINX_RUNNER="$words" \
        AUTHGEAR_MODULE="$module" AUTHGEAR_FAULT_MODULE="$module" \
        cargo test --locked --no-default-features --test it -- --skip fuzz:: --test-threads=$(($(nproc) * 3)) "$@" >&2 || true
    processes=$(find "$reports" -type f | wc -l)
    ((processes > 0)) || die "nothing ran under valgrind: see above"
    # A process that starts without a spare descriptor reports this.
    found=$(grep -rlv 'Valgrind: failed to move log file descriptor' "$reports") || true
    say "valgrind watched $processes processes"
    [[ -z $found ]] || {
        # shellcheck disable=SC2086 # one word per report
        head -n 60 $found >&2
        die "valgrind found something, see above; its reports are in $reports"
    }
}

# build_module_for_valgrind TO. Built with assertions, with an allocator that valgrind supports, and optimized, since the
# run would take hours otherwise. Reports name only functions: reading line numbers would double the time of each of some
# thousand processes.
build_module_for_valgrind() {
    local to=$1
    CARGO_TARGET_DIR=$TARGET_DIR/valgrind/cargo \
        cargo build --locked --lib --release --no-default-features --features export-modules,fault-injection \
        "${CHECKED[@]}" --config 'profile.release.strip="debuginfo"'
    cp "$TARGET_DIR/valgrind/cargo/release/libnginx_authgear.so" "$to.new"
    mv "$to.new" "$to"
}
