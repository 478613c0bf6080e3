# shellcheck shell=bash
# What scripts/test --full does besides: checks that take minutes, or something more from the network. Sourced after lib.sh,
# never run. Arguments of the checks go to their tests.
# shellcheck disable=SC2154 # scripts/test sets nginx_source and other_nginx

# The advisories are in a repository of their own, which may be out of reach.
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

# A release with assertions and overflow checks, for checkers; it is built in less time than one that is shipped.
CHECKED=(--config 'profile.release.lto=false' --config 'profile.release.codegen-units=16'
    --config 'profile.release.debug-assertions=true')

# -- Miri -----------------------------------------------------------------------------------------------------

# Left out is what is below src/nginx, which calls C, and the resolver's thread, whose system calls Miri doesn't know. Properties of
# claims and store take it hours, and so do a hundred thousand resolvers.
MIRI_TESTS=(nginx::ffi::request blocks:: breaker:: client:: freshness:: identity_header:: policy:: session:: single_flight::
    --skip the_resolvers_heard_of_last_are_remembered)

# Runs the tests of what is plain Rust in an interpreter that knows undefined behaviour when it sees it. A nightly toolchain
# has it, if any. Arguments name other tests instead, in which leaks are looked for.
check_miri() {
    cargo +nightly miri --version >/dev/null 2>&1 ||
        rustup component add --toolchain nightly miri rust-src >&2 ||
        { say "skipped: no Miri here, which needs a nightly toolchain of Rust" && return; }
    if (($# > 0)); then
        under_miri '' "$@"
        return
    fi
    under_miri '' "${MIRI_TESTS[@]}"
    # What the cache's moka has to free is in a static of crossbeam's at the end, behind pointers with tags, which are none to
    # Miri: it would take that for leaks.
    under_miri '-Zmiri-ignore-leaks' cache::
}

# under_miri FLAGS TESTS... It is some hundred times slower, and a case of a property does what all of them do. The cache's moka
# keeps to the rules of Tree Borrows, but not to those of Stacked Borrows, which are stricter.
under_miri() {
    local flags=$1
    shift
    CARGO_TARGET_DIR=$TARGET_DIR/miri PROPTEST_CASES=1 MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows $flags" \
        cargo +nightly miri test --locked --no-default-features --lib -- "$@"
}

# -- sanitizers -----------------------------------------------------------------------------------------------

SANITIZERS=$TARGET_DIR/sanitizers
REPORTS=$SANITIZERS/reports

# These look at the memory that a worker holds, and AddressSanitizer keeps up to 256 MB of what was freed for a while.
NOT_UNDER_SANITIZERS=(
    --skip fifty_thousand_vanishing_clients_leave_nothing_behind
    --skip a_large_body_is_not_read_to_its_end
    --skip a_head_without_end_is_given_up_in_bounded_memory
    --skip fills_no_memory
    # It has a step of its own.
    --skip fuzz::
    # These look at memory in the end; without that they pass.
    --skip a_connection_that_is_sent_away_is_a_lost --skip a_stream_that_is_reset_is_a_lost
    --skip broken_frames_are_malformed --skip heads_that_break_the_rules --skip a_server_that_lets_no_stream_begin
)

# Runs the integration tests with an nginx that has AddressSanitizer (leaks too) and UBSan, and modules that have
# AddressSanitizer, which rustc has for these two machines; it has no UBSan. Memory under valgrind is another step's, and
# nothing that is traced can look for leaks.
check_sanitizers() {
    local status=0
    case $(uname -m) in
        x86_64 | aarch64) ;;
        *) say "skipped: no AddressSanitizer here" && return ;;
    esac
    mkdir -p "$SANITIZERS"
    # In a shell of its own: the tests themselves are built against the nginx from before.
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

# Debian's nginx-dev has no more than the headers. Sets source to the tree of the very package that is installed, from where
# the machine gets its packages; in lists of its own, for the machine's may lack the sources.
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
    # The tarball alone, of whatever revision there is now: Debian's patches change no structure.
    (cd "${source%/*}" && apt-get "${APT[@]}" source --tar-only "${package%%=*}" >&2 && tar -xf nginx_*.orig.tar.*) ||
        die "the source of $package can't be fetched: name the source tree of nginx $NGINX_VERSION with --nginx-source DIR"
}

# With the flags of the nginx at hand, but for those that the compiler gets. Each allocation from a pool is one from malloc
# here, so that a byte too far is seen. nginx writes numbers of HTTP/2 to any address where the machine allows it, which is told
# not to, and it passes null pointers together with a length of 0, which is let pass.
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
    # Not by configure: the programs that it tries have no such function.
    make_nginx "$work" LINK='cc options.o -Wl,--wrap=ngx_create_pool'
}

# build_module_under_sanitizers TO [cargo arguments]. Its target is named, or what runs at build time would have the
# sanitizer too. Assertions and overflow checks find what the sanitizer can't, names and lines are for its reports.
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

# Runs the integration tests with each nginx under valgrind, for its errors and definite leaks. What takes thirty times as long
# runs into its timeouts, so that many tests fail: it is the reports that count, and the tests' verdicts don't. Those under
# valgrind that do count are part of every run (tests/it/memory.rs), and what they suppress is suppressed here. Many tests wait
# most of the time, so several run on each processor.
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
    # What starts without a descriptor to spare says so.
    found=$(grep -rlv 'Valgrind: failed to move log file descriptor' "$reports") || true
    say "valgrind watched $processes processes"
    [[ -z $found ]] || {
        # shellcheck disable=SC2086 # one word a report
        head -n 60 $found >&2
        die "valgrind found something, see above; its reports are in $reports"
    }
}

# build_module_for_valgrind TO. With assertions and the allocator that valgrind knows, and optimized, or the run takes hours.
# Reports name functions: to read their lines would cost each of some thousand processes as much as all else that it does.
build_module_for_valgrind() {
    local to=$1
    CARGO_TARGET_DIR=$TARGET_DIR/valgrind/cargo \
        cargo build --locked --lib --release --no-default-features --features export-modules,fault-injection \
        "${CHECKED[@]}" --config 'profile.release.strip="debuginfo"'
    cp "$TARGET_DIR/valgrind/cargo/release/libnginx_authgear.so" "$to.new"
    mv "$to.new" "$to"
}
