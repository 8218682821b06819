#!/usr/bin/env bash
# A machine within this one, for the time of one program: its own network, processes, mounts, /run and /dev/shm. What runs in it
# sees no other Docker engine and is gone, to the last process and mount, when the program ends or is killed.
#
#   machine.sh FOLDER PROGRAM [ARGUMENT..]    FOLDER is for the machine's engine and data; whoever calls this removes it
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || { echo "machine.sh needs root: it makes namespaces and starts a Docker engine" >&2; exit 1; }
    folder=$1
    cgroup=hostess-soak-$$
    # Control groups belong to no namespace here, and outlive what was in them.
    trap 'find /sys/fs/cgroup -depth -type d "(" -path "*/$cgroup" -o -path "*/$cgroup/*" ")" -exec rmdir {} + 2>/dev/null || true' EXIT
    trap 'kill -KILL "$inner" 2>/dev/null; wait "$inner" 2>/dev/null || true; exit 143' TERM INT
    HOSTESS_SOAK_CGROUP=/$cgroup unshare --net --uts --mount --propagation private --pid --fork --kill-child --mount-proc \
        "${BASH_SOURCE[0]}" --inside "$folder" "${@:2}" <&0 &
    inner=$!
    code=0
    wait "$inner" || code=$?
    exit $code
fi

# From here on this is process 1 of the machine: it takes what others leave behind.
folder=$2
hostname soak
ip link set lo up
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mkdir -p "$folder/host/data" /run/lock
mount -t tmpfs -o size=192m,mode=0755 data "$folder/host/data" # small enough to be filled at once
code=0
"${@:3}" || code=$?
exit $code
