# shellcheck shell=bash disable=SC2120 # prepare_images may be called without an argument
# What the scripts need before they can begin: a virtual environment, a container engine, images. Sourced, never run.
# Each function does nothing, and quickly, when what it makes is there already.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/.venv/bin
began=$EPOCHREALTIME

say() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - ${began/[.,]/}) / 100000))
    printf '[%3d.%ds] %s\n' $((tenths / 10)) $((tenths % 10)) "$*" >&2
}
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { type -P "$1" >/dev/null; }

apt_install() {
    [ "$(id -u)" = 0 ] || die "these packages are missing; install them, or call this as root: $*"
    say "installing $*"
    local get=(apt-get -qq -o DPkg::Lock::Timeout=180) log
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    log=$(mktemp)
    if ! "${get[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1; then
        # Package lists that are missing or old are the usual cause.
        if ! { "${get[@]}" update && "${get[@]}" install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            die "apt-get could not install $*"
        fi
    fi
    rm -f "$log"
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed"
}

# .venv with Hostess itself (editable) and everything that tests and checks import.
prepare_venv() {
    local stamp python
    stamp="$root $(sha256sum <"$root/pyproject.toml")"
    if [ "$(cat "$root/.venv/stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$bin/python" ]; then return; fi
    python=$(find_python)
    say "making the virtual environment with $("$python" --version)"
    "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    [ -x "$bin/python" ] || "$python" -m venv --clear "$root/.venv"
    "$bin/python" -m pip install --quiet --upgrade 'pip>=25.1' # the first that knows dependency groups
    "$bin/python" -m pip install --quiet --editable "$root" --group "$root/pyproject.toml:dev"
    echo "$stamp" >"$root/.venv/stamp"
    say "the virtual environment is ready"
}

# The proxy in compiled form, in a folder that programs started from here import it from. Where there is no C compiler it says so,
# and the sources are run as they are.
prepare_compiled() {
    local stamp folder=$root/.venv/compiled
    if ! have cc || ! "$bin/python" -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()' 2>/dev/null; then
        say "the proxy is not compiled: there is no C compiler (Debian: gcc and python3-dev)"
        return
    fi
    stamp=$(find "$root/proxy/hostess_proxy" "$root/scripts/build_hook.py" -name '*.py' -print0 | sort -z | xargs -0 cat | sha256sum)
    if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
        say "compiling the proxy"
        rm -rf "$folder"
        HOSTESS_COMPILE=1 "$bin/python" -m pip install --quiet --no-deps --target "$folder" "$root"
        rm -rf "$folder"/hostess "$folder"/hostess_hooks "$folder"/*.dist-info # the sources of these are run
        echo "$stamp" >"$folder/stamp"
    fi
    export PYTHONPATH=$folder
}

# An engine that answers, and the images that Dockerfiles name (without an argument: all that tests need).
prepare_images() { "$root/tests/images/images.sh" "$@"; }
