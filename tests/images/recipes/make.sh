# shellcheck shell=bash disable=SC2154 # here, work and force are the caller's
# How look-alike images are made where no registry can be reached. Sourced by images.sh; make_image is what it calls.
# In make_image and below, $work is a folder of the caller's that goes afterwards.

ca_bundle=/etc/ssl/certs/ca-certificates.crt

make_requirements() { # NAME..: what the machine itself needs for making these
    [ -s $ca_bundle ] || apt_install ca-certificates
    case " $* " in
        *" bookworm "* | *" trixie "*)
            if ! have mmdebstrap || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
                apt_install mmdebstrap debian-archive-keyring
            fi
            [ -n "$(apt_sources)" ] || apt-get -qq update # no package lists yet
            ;;
    esac
}

make_image() { # NAME RECIPE [ARGUMENT OF DOCKER BUILD]..
    set -e
    local name=$1 folder=$here/recipes/$2
    shift 2
    case $name in
        bookworm | trixie) make_base "$name" ;;
        python-*) make_python "$name" ;;
        *) build "$name" "$folder" "$@" ;;
    esac
}

# The classic builder: every client has it (BuildKit is a plug-in from version 23 on), and it takes local images as bases.
build() { # NAME FOLDER [ARGUMENT]..
    DOCKER_BUILDKIT=0 docker build --force-rm ${force:+--no-cache} -t "hostess-fixture/$1" "${@:3}" "$2"
}

# ---- Debian -------------------------------------------------------------------------------------------------------------

# The mirrors that this machine's own apt uses, as lines "URI SUFFIX", where the suffix follows the release's name.
apt_sources() {
    local host
    # shellcheck disable=SC1091
    host=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
        awk -v host="$host" '
            $3 == "main" && $4 == "Debian" && ($2 == host || $2 == host "-updates" || $2 == host "-security") {
                print $1, substr($2, length(host) + 1)
            }'
}

apt_settings() { apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|http::Proxy|Retries) ' || true; }

make_base() { # bookworm | trixie
    local release=$1 base=$work/root sources
    sources=$(apt_sources)
    [ -n "$sources" ] || die "this machine's apt knows no Debian mirror to make images from"
    awk -v release="$release" '{ print "deb", $1, release $2, "main" }' <<<"$sources" >"$base.list"
    apt_settings >"$base.conf"
    # usr-is-merged instead of usrmerge, which would bring the whole of Perl.
    mmdebstrap --mode=root --format=directory --variant=minbase --include=usr-is-merged \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --aptopt="$base.conf" \
        --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io "$release" "$base" "$base.list"
    rm -f "$base"/etc/apt/sources.list "$base"/etc/apt/sources.list.d/* \
        "$base"/etc/apt/apt.conf.d/99mmdebstrap "$base"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    cp -r "$here/recipes/base/files/." "$base/"
    chmod 755 "$base/usr/sbin/policy-rc.d"
    cp "$base.conf" "$base/etc/apt/apt.conf.d/host"
    awk -v release="$release" '{
        printf "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n", $1, release $2
        printf "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
    }' <<<"$sources" >"$base/etc/apt/sources.list.d/debian.sources"
    # This machine's certificates: whatever stands between it and the package indexes is there for an image, too.
    mkdir -p "$base/etc/ssl/certs" "$base/usr/local/share/ca-certificates" "$base/usr/lib/ssl"
    cp "$ca_bundle" "$base$ca_bundle"
    ln -sf "$ca_bundle" "$base/usr/lib/ssl/cert.pem" # where Debian's OpenSSL looks for a bundle
    extra_certificates "$base/usr/local/share/ca-certificates"
    find "$base/usr/share/doc" ! -type d ! -name copyright -delete
    rm -rf "$base"/usr/share/{man,info,locale,lintian}/* "$base"/var/cache/apt/*.bin "$base"/var/log/*.log \
        "$base"/etc/hostname "$base"/etc/resolv.conf
    : >"$base/etc/machine-id"
    tar -C "$base" --numeric-owner -c . | docker import --change 'CMD ["bash"]' \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "hostess-fixture/$release:latest"
}

# What the machine trusts beyond Debian's own set, a file each: update-ca-certificates in a Dockerfile keeps those.
extra_certificates() { # FOLDER
    find /usr/share/ca-certificates -name '*.crt' -print0 2>/dev/null | xargs -0 cat |
        awk -v into="$1" -v bundle="$ca_bundle" '
            { sub(/\r$/, "") }
            /-BEGIN CERTIFICATE-/ { body = ""; inside = 1; next }
            /-END CERTIFICATE-/ {
                inside = 0
                if (FILENAME != bundle) known[body] = 1
                else if (!(body in known)) {
                    file = sprintf("%s/host-%d.crt", into, ++count)
                    printf "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n", body > file
                    close(file)
                }
            }
            inside { body = body $0 "\n" }' - "$ca_bundle"
}

# ---- Python -------------------------------------------------------------------------------------------------------------

# A Python that can be moved (pyenv's, uv's or a self-built one; Debian's own lies all over /usr): "VERSION PREFIX".
movable_python() { # SERIES
    local candidate version prefix
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python"$1" \
        "$HOME/.local/share/uv/python/cpython-$1".*/bin/python"$1" "/usr/local/bin/python$1"; do
        [ -x "$candidate" ] || continue
        read -r version prefix < <("$candidate" -IS -c \
            'import platform, sys; print(platform.python_version(), sys.base_prefix)' 2>/dev/null) || continue
        echo "$version $prefix"
        return
    done
    return 1
}

make_python() { # python-SERIES
    local series=${1#python-} context=$work/context version prefix index
    cp -r "$here/recipes/python" "$context"
    printf '%s\n' '[global]' "cert = $ca_bundle" 'root-user-action = ignore' 'disable-pip-version-check = true' >"$context/pip.conf"
    if index=$(pip config get global.index-url 2>/dev/null); then echo "index-url = $index" >>"$context/pip.conf"; fi
    if read -r version prefix < <(movable_python "$series"); then
        (copy_python "$series" "$prefix" "$context/root")
        build "$1" "$context" --build-arg "SERIES=$series" --build-arg "FULL_VERSION=$version" && return
    fi
    echo "note: no Python $series here that can be copied; Debian's own is taken"
    build "$1" "$context" -f "$context/Dockerfile.debian"
}

copy_python() { # SERIES PREFIX INTO
    mkdir "$3"
    cd "$2"
    shopt -s nullglob
    # Compiled files come along: without them every container would compile the library at its start.
    find "bin/python$1" "bin/python$1-config" "include/python$1" "lib/python$1" lib/libpython3*.so* lib/pkgconfig/python-"$1"* \
        \( -path '*/site-packages/*' -o -name test -o -name tests -o -name idlelib -o -name turtledemo \
           -o -name '_tkinter*' -o -name '*.a' \) -prune -o ! -type d -print0 |
        tar -c --null -T - | tar -C "$3" -x --no-same-owner
    { grep -rlIF "$2" "$3" || true; } | xargs -r sed -i "s|$2|/usr/local|g"
}
