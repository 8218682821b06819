#!/usr/bin/env bash
# Makes sure that the images of the tests and the demo are there, under the names that Dockerfiles use.
#
#   images.sh [--force] [TAG..]   these (default: all but the optional ones)
#   images.sh list                every image, its tags, and whether they are there
#
# Where a registry can be reached the real ones are pulled. Where none can, look-alikes are made from Debian's packages
# and PyPI: README.md says what they are. A tag that exists is left alone unless --force is given.
set -euo pipefail
umask 022 # what is copied into an image must be readable there for everyone
# shellcheck source-path=SCRIPTDIR source=../../scripts/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/prepare.sh"
here=$root/tests/images
# shellcheck source-path=SCRIPTDIR source=recipes/make.sh
. "$here/recipes/make.sh"

# By name: its tags, the images that its recipe stands on, the wave in which it is made, its recipe's folder and arguments.
names=()
declare -A tags needs wave recipe optional
image() { # NAME WAVE "TAG.." "NEEDED NAME.." RECIPE [ARGUMENT..]
    names+=("$1")
    wave[$1]=$2 tags[$1]=$3 needs[$1]=$4 recipe[$1]="${*:5}"
}
image bookworm 1 "debian:bookworm-slim debian:12-slim" "" base
image trixie 1 "debian:trixie-slim debian:13-slim" "" base
image busybox 2 "busybox:latest busybox:1" bookworm busybox
image python-3.12 2 "python:3.12-slim" bookworm python
image python-3.11 2 "python:3.11-slim" bookworm python
image postgres-16 2 "postgres:16 postgres:16-alpine" bookworm postgres --build-arg BASE=hostess-fixture/bookworm
image postgres-17 2 "postgres:17 postgres:17-alpine postgres:18 postgres:18-alpine" trixie postgres --build-arg BASE=hostess-fixture/trixie
image redis-7 2 "redis:7 redis:7-alpine" bookworm redis --build-arg BASE=hostess-fixture/bookworm
image redis-8 2 "redis:8 redis:8-alpine" trixie redis --build-arg BASE=hostess-fixture/trixie
image nginx 2 "nginx:1.25" bookworm nginx --build-arg BASE=hostess-fixture/bookworm
image pgbouncer 2 "edoburu/pgbouncer:v1.24.1-p1" trixie pgbouncer --build-arg BASE=hostess-fixture/trixie
image alpine 3 "alpine:3 alpine:latest" "bookworm busybox" alpine --build-arg BASE=hostess-fixture/bookworm
image uv 3 "ghcr.io/astral-sh/uv:latest" python-3.12 uv
image node-22 3 "node:22-slim" "bookworm python-3.12" node --build-arg SERIES=22
image node-22-alpine 4 "node:22-alpine" "node-22 busybox" alpine --build-arg BASE=hostess-fixture/node-22
# Our own test server and the image that is booted by systemd stand on the public tags, real or not.
image echo-1 5 "hostess-test/echo:1" bookworm echo --target one
image echo-2 6 "hostess-test/echo:2" echo-1 echo --target two
image echo-broken 6 "hostess-test/echo:broken" echo-1 echo --target broken
image echo-sick 6 "hostess-test/echo:sick" echo-1 echo --target sick
image echo-slow 6 "hostess-test/echo:slow" echo-1 echo --target slow
image echo-sh 6 "hostess-test/echo:1-sh" "echo-1 busybox" echo --target with-shell
image systemd 5 "hostess-test/systemd:1" bookworm systemd
image systemd-13 5 "hostess-test/systemd:13" trixie systemd --build-arg BASE=debian:trixie-slim
optional[systemd]=1 optional[systemd-13]=1

there() { docker image inspect "$@" >/dev/null 2>&1; }
# shellcheck disable=SC2086 # tags are words
is_ready() { there ${tags[$1]}; }
is_ours() { [[ ${tags[$1]} == hostess-test/* ]]; }

named() { # TAG or NAME
    local name
    for name in "${names[@]}"; do
        case " $name ${tags[$name]} " in *" $1 "*) echo "$name"; return ;; esac
    done
    die "no such image: $1 (images.sh list shows them)"
}

list() {
    local name state
    for name in "${names[@]}"; do
        state=missing
        ! is_ready "$name" || state=ready
        printf '%-15s %-8s %s%s\n' "$name" $state "${tags[$name]}" "${optional[$name]:+  (optional)}"
    done
}

# Pull what can be pulled. The first image tells whether it is worth trying the others.
pull() { # NAME..
    local name tag
    timeout 20 docker pull --quiet busybox:latest >/dev/null 2>&1 || return 0
    say "pulling: a registry can be reached"
    for name; do
        is_ours "$name" && continue
        for tag in ${tags[$name]}; do
            there "$tag" || timeout 600 docker pull --quiet "$tag" >/dev/null || say "could not pull $tag"
        done
    done
}

# Names to make, with those that they stand on and that are not there either.
todo=()
add_todo() {
    local name need
    for name; do
        case " ${todo[*]} " in *" $name "*) continue ;; esac
        for need in ${needs[$name]}; do
            if is_ours "$name" && is_ready "$need"; then continue; fi
            there "hostess-fixture/$need" || add_todo "$need"
        done
        todo+=("$name")
    done
}

make_one() { # NAME: called in a process of its own, several at a time
    local tag
    work=$(mktemp -d /var/tmp/hostess-image.XXXXXX)
    exec 3>&2
    trap 'finish $?' EXIT
    # shellcheck disable=SC2086 # a recipe's arguments are words
    make_image "$1" ${recipe[$1]} >"$work/log" 2>&1 </dev/null # no `if` around it: that would switch `set -e` off inside
    for tag in ${tags[$1]}; do
        # What somebody else made or pulled under this name stays, unless it was asked for.
        if [ -n "${force:-}" ] || ! there "$tag"; then docker tag "hostess-fixture/$1" "$tag"; fi
    done
    say "made $1: ${tags[$1]}"
}

finish() { # EXIT CODE
    [ "$1" = 0 ] || tail -n 25 "$work/log" >&3
    rm -rf --one-file-system "$work"
}

make_all() {
    local number name
    say "making ${todo[*]}"
    make_requirements "${todo[@]}"
    for number in 1 2 3 4 5 6; do
        for name in "${todo[@]}"; do
            [ "${wave[$name]}" != $number ] || printf '%s\0' "$name"
        done | xargs -0 -r -n 1 -P $(($(nproc) + 1)) "${BASH_SOURCE[0]}" --make || die "not all images could be made"
    done
}

main() {
    local name word wanted=() missing=()
    force=
    for word; do
        case $word in
            --force) force=1 ;;
            -*) sed -n 's/^# \{0,1\}//; 2,8p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
            *) name=$(named "$word"); wanted+=("$name") ;;
        esac
    done
    export force
    if [ ${#wanted[@]} = 0 ]; then
        for name in "${names[@]}"; do [ -n "${optional[$name]:-}" ] || wanted+=("$name"); done
    fi
    look() {
        missing=()
        for name in "${wanted[@]}"; do
            if [ -n "$force" ] || ! is_ready "$name"; then missing+=("$name"); fi
        done
    }
    # One question for all of them is quicker than one for each; only when it fails are they asked one by one.
    # shellcheck disable=SC2046
    if [ -z "$force" ] && there $(for name in "${wanted[@]}"; do echo "${tags[$name]}"; done); then return; fi
    exec {lock}>"/tmp/hostess-images-$(id -u).lock"
    flock "$lock" # another run may be making them just now
    look
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ -z "$force" ]; then
        pull "${missing[@]}"
        look
        [ ${#missing[@]} -gt 0 ] || return 0
    fi
    add_todo "${missing[@]}"
    make_all
    say "all images are there"
}

"$here/engine.sh"
case ${1:-} in
    list) list ;;
    --make) make_one "$2" ;;
    *) main "$@" ;;
esac
