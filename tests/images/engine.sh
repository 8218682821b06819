#!/usr/bin/env bash
# Makes sure that a Docker engine answers: installs Debian's docker.io and starts it where none does.
# Works without systemd, too (a container, a bare virtual machine): then it starts dockerd itself, which stays.
#
#   HOSTESS_DOCKERD_LOG    where a dockerd started here logs (default /var/log/hostess-dockerd.log)
#   HOSTESS_DOCKERD_FLAGS  more flags for it
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/prepare.sh"

log=${HOSTESS_DOCKERD_LOG:-/var/log/hostess-dockerd.log}

engine_answers() { have docker && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# A pid file outlives a killed engine or a copied machine, and dockerd refuses to start because of it.
drop_stale_pid_file() { # FILE PROGRAM
    [ -e "$1" ] || return 0
    [ "$(cat "/proc/$(cat "$1")/comm" 2>/dev/null)" = "$2" ] || rm -f "$1"
}

# Some machines boot with no control groups mounted; dockerd needs them.
mount_cgroups() {
    ! grep -qE ' - cgroup2? ' /proc/self/mountinfo || return 0
    say "mounting the control groups"
    mount -t tmpfs -o mode=0755 cgroup /sys/fs/cgroup
    local controller enabled
    while read -r controller _ _ enabled; do
        [ "$enabled" = 1 ] || continue
        mkdir -p "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" 2>/dev/null ||
            rmdir "/sys/fs/cgroup/$controller"
    done </proc/cgroups
    [ ! -d /sys/fs/cgroup/memory ] || return 0
    umount /sys/fs/cgroup # a kernel that has version 2 only
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

start_dockerd() {
    local flags device mtu fd pid attempt
    read -ra flags <<<"${HOSTESS_DOCKERD_FLAGS:-}"
    # The bridge must not take larger packets than the machine's way out does.
    device=$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)
    mtu=$(cat "/sys/class/net/${device:-none}/mtu" 2>/dev/null || echo 1500)
    [ "$mtu" -ge 1500 ] || flags+=("--mtu=$mtu")
    say "starting dockerd; its log is $log"
    (
        # Neither our open files (a lock, a pipe that somebody reads to its end) nor our environment are the engine's.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            ${HTTP_PROXY:+HTTP_PROXY="$HTTP_PROXY"} ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} \
            ${NO_PROXY:+NO_PROXY="$NO_PROXY"} setsid nohup dockerd "${flags[@]}"
    ) >>"$log" 2>&1 </dev/null &
    pid=$!
    disown
    for ((attempt = 0; attempt < 300; attempt++)); do
        engine_answers && return
        [ -d "/proc/$pid" ] || break
        sleep 0.2
    done
    tail -n 8 "$log" >&2
    die "dockerd does not answer; its log is $log (it needs mounts, iptables and control groups)"
}

if engine_answers; then exit; fi
[ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST"
[ "$(id -u)" = 0 ] || die "no Docker engine answers you: start it, join its group, or call this as root"
mkdir -p /run/lock
exec {lock}>/run/lock/hostess-engine.lock
flock "$lock"
if ! have dockerd || ! have iptables; then apt_install docker.io iptables; fi
have docker || apt_install docker-cli # a package of its own from Debian 13 on
hash -r
if engine_answers; then # installing it, or another run of this, has started it
    :
elif [ "$(cat /proc/1/comm)" = systemd ]; then
    systemctl start docker || die "systemd could not start docker: journalctl -u docker says why"
    engine_answers || die "docker.service runs but does not answer"
else
    mount_cgroups
    drop_stale_pid_file /var/run/docker.pid dockerd
    drop_stale_pid_file /var/run/docker/containerd/containerd.pid containerd
    start_dockerd
fi
say "the engine is up: Docker $(docker version --format '{{.Server.Version}}')"
