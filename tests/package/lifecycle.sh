#!/usr/bin/env bash
# usage: lifecycle.sh ROOT STANDIN UNFIT FIRST SECOND
#
# Installs the package FIRST in the Debian that the folder ROOT has, uses it as README.md says, replaces it by SECOND while
# nginx runs, removes and purges it. UNFIT depends on an nginx that isn't there. scripts/test runs this as root, in
# namespaces of its own: processes, network and mounts end with it.
set -euo pipefail

root=$1
standin=$2
unfit=$3
first=$4
second=$5
repository=$(cd "$(dirname "$0")/../.." && pwd)
package=libnginx-mod-http-authgear
link=$root/etc/nginx/modules-enabled/50-mod-http-authgear.conf
site=$root/etc/nginx/sites-available/default

# -- words ------------------------------------------------------------------------------------------------------

fact() {
    printf 'package: %s\n' "$*" >&2
}

fail() {
    printf 'package: FAILED: %s\n' "$*" >&2
    tail -n 20 "$log" "$root/var/log/nginx/error.log" >&2 || true
    exit 1
}

# -- the system -------------------------------------------------------------------------------------------------

inside() {
    DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# apt itself. There is no network here: it has to do with what the root was given beforehand.
apt() {
    inside apt-get --yes "$@" >>"$log" 2>&1
}

put() {
    cp "$1" "$root/tmp/$2.deb"
}

# What Debian's service does; there is no systemd here.
reload() {
    inside nginx -t -q && inside invoke-rc.d nginx reload >>"$log" 2>&1
}

master() {
    cat "$root/run/nginx.pid"
}

# The files that the processes of nginx have the module's code from, each once; a replaced one is "(deleted)".
mapped_modules() {
    local pid
    for pid in $(master) $(pgrep --parent "$(master)"); do
        sed -n 's|.*\(/ngx_http_authgear_module.so.*\)|\1|p' "/proc/$pid/maps"
    done | sort -u
}

# answer PATH [curl arguments]: the status; the body is in $body, the head in $head.
answer() {
    local path=$1
    shift
    curl --silent --show-error --noproxy '*' --max-time 20 --output "$body" --dump-header "$head" \
        --write-out '%{http_code}' "$@" "http://127.0.0.1$path"
}

# Tries for a while what takes nginx a moment.
soon() {
    local attempt
    for ((attempt = 0; attempt < 100; attempt++)); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

# -- what happens -----------------------------------------------------------------------------------------------

prepare() {
    work=$(mktemp -d)
    log=$work/log body=$work/body head=$work/head
    touch "$log"
    ip link set lo up
    mount -t proc proc "$root/proc"
    # Without an init system Debian starts nothing, unless it is told so.
    install -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d" <<<$'#!/bin/sh\nexit 104'
    put "$unfit" unfit
    put "$first" first
    put "$second" second
    # Open for as long as this script runs, which ends the stand-in.
    coproc "$standin" demo --resolver 127.0.0.1:3001 --echo 127.0.0.1:8080
    until grep -q 'listening echo' <<<"${line:-}"; do
        read -r line <&"${COPROC[0]}" || fail "the stand-in did not start"
    done
    token=$("$standin" --print-credentials | sed -n 's/^alice .*  \(Bearer .*\)$/\1/p')
}

refused_where_it_does_not_fit() {
    ! apt install /tmp/unfit.deb || fail "a package for another nginx was installed"
    grep -q 'Depends: nginx-abi-0.0.0-0 but it is not installable' "$log" || fail "apt gave another reason"
    [[ ! -e $root/usr/sbin/nginx ]] || fail "something was installed all the same"
    fact "a package for another nginx is refused"
}

installed() {
    apt install /tmp/first.deb || fail "it can't be installed"
    [[ $(readlink "$link") == /usr/share/nginx/modules-available/mod-http-authgear.conf ]] || fail "no link"
    inside nginx -t -q || fail "nginx does not take it"
    [[ $(answer /) == 200 ]] || fail "nginx does not run"
    soon loaded || fail "nginx has not loaded it: $(mapped_modules)"
    fact "installed, with nginx as a dependency, and loaded"
}

loaded() {
    [[ $(mapped_modules) == /ngx_http_authgear_module.so ]]
}

# The two lines of README.md, where it says that they go.
used_as_the_manual_says() {
    local lines
    cp "$site" "$work/site"
    lines=$(sed -n '/^## Installation/,/^## /{ /^authgear_/p }' "$repository/README.md" |
        sed 's|https://myapp.authgear.cloud|http://127.0.0.1:3001|')
    [[ $(wc -l <<<"$lines") == 2 ]] || fail "these are no two lines: $lines"
    awk -v lines="$lines" '{ print } /^[[:space:]]*server_name _;/ { print lines }' "$work/site" >"$site"
    reload || fail "nginx does not take the lines of README.md"
    soon protected || fail "the site is open to everybody"
    grep -qi '^www-authenticate: Bearer realm="authgear"' "$head" || fail "there is no challenge"
    [[ $(answer / --header "Authorization: $token") == 200 ]] || fail "a user is not let in"
    fact "used as README.md says: nobody gets in but a user"
}

protected() {
    [[ $(answer /) == 401 ]]
}

# The server of an example that the package brought.
used_with_an_example() {
    local example=$root/usr/share/doc/$package/examples/minimal.conf
    sed -n '/^    server {/,/^    }/p' "$example" |
        sed 's|https://myapp.authgear.cloud|http://127.0.0.1:3001|; s/listen 80/listen 81/' \
            >"$root/etc/nginx/sites-enabled/example"
    reload || fail "nginx does not take the example"
    soon passes || fail "the backend does not get the user: $(cat "$body")"
    fact "used with an example: the backend gets the user"
}

passes() {
    curl --silent --max-time 20 --output "$body" --header "Authorization: $token" http://127.0.0.1:81/ &&
        grep -q '^x-authgear-user-id: acdc0d99-' "$body"
}

upgraded() {
    local before failures
    before=$(master)
    ask_all_the_time &
    apt install /tmp/second.deb || fail "it can't be upgraded"
    soon replaced "$before" || fail "nginx still runs the module from before: $(mapped_modules)"
    touch "$work/enough"
    wait $!
    failures=$(grep -vc '^401$' "$work/answers") || true
    [[ $failures == 0 ]] || fail "requests failed meanwhile: $(sort "$work/answers" | uniq -c)"
    protected || fail "the site is open"
    fact "upgraded, and in use at once; none of $(wc -l <"$work/answers") requests failed"
}

# The older version, by the same way.
downgraded() {
    local before
    before=$(master)
    apt install --allow-downgrades /tmp/first.deb || fail "the older one can't be installed"
    soon replaced "$before" || fail "nginx still runs the newer one: $(mapped_modules)"
    protected || fail "the site is open"
    fact "downgraded"
}

replaced() {
    [[ $(master) != "$1" && ! -d /proc/$1 ]] && loaded
}

ask_all_the_time() {
    until [[ -e $work/enough ]]; do
        curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}\n' http://127.0.0.1/ ||
            echo "curl: $?"
        sleep 0.01
    done >"$work/answers"
}

# With its directives still in the configuration nginx could not start: until then it stays as it is, closed.
removed() {
    apt remove "$package" || fail "it can't be removed"
    [[ ! -L $link && -L $link.removed ]] || fail "the link is not put aside"
    ! inside nginx -t -q 2>>"$log" || fail "the directives are known to somebody"
    protected || fail "the site is open after the removal"
    cp "$work/site" "$site"
    rm "$root/etc/nginx/sites-enabled/example"
    reload || fail "nginx -t is not fine after the removal"
    soon open || fail "nginx does not run after the removal"
    fact "removed: closed while the directives are there, as before without them"
}

open() {
    [[ $(answer /) == 200 ]]
}

installed_again() {
    apt install /tmp/second.deb || fail "it can't be installed again"
    [[ -L $link && ! -L $link.removed ]] || fail "the link is not back"
    # An administrator's choice, which an upgrade leaves alone.
    rm "$link"
    apt install --reinstall /tmp/second.deb || fail "it can't be installed over itself"
    [[ ! -L $link ]] || fail "the link is back that the administrator has removed"
    fact "installed again; a link that was removed by hand stays away"
}

purged() {
    local left
    apt purge "$package" || fail "it can't be purged"
    left=$(find "$root" -xdev -name '*authgear*' -not -path "$root/tmp/*" -not -path "$root/var/log/*")
    [[ -z $left ]] || fail "this is left behind: $left"
    reload || fail "nginx -t is not fine after the purge"
    fact "purged: nothing is left behind"
}

prepare
refused_where_it_does_not_fit
installed
used_as_the_manual_says
used_with_an_example
upgraded
downgraded
removed
installed_again
purged
