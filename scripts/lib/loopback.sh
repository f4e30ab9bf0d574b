# Part of scripts/databases: servers without containers.
# shellcheck shell=bash disable=SC2154 # names set in scripts/databases

# Sets `reason` on failure.
provide_on_loopback() {
    local database=$1 port folder
    if [[ $(uname) != Linux ]]; then
        return 1
    fi
    say "$database current: starting a server on loopback"
    port=$(free_port)
    make_temporary_folder "${TMPDIR:-/tmp}"
    if ! "start_$database" "$port"; then
        reason+="${reason:+; }no server could be started on loopback"
        return 1
    fi
    say "$database current: server on loopback, port $port"
    leave_out_old "$database" "one release only without Docker"
}

free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && accepts "$port"; do :; done
    echo "$port"
}

accepts() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_redis() {
    command -v redis-server >/dev/null || apt_install redis-server || return 1
    launch redis-server redis-server --port "$1" --bind 127.0.0.1 --dir "$folder" --save ""
    wait_for redis-server redis-cli -p "$1" ping || return 1
    give SESSION_STORE_TEST_REDIS_URL "redis://127.0.0.1:$1"
}

start_valkey() {
    if ! command -v valkey-server >/dev/null; then
        if ! { apt_has valkey-server && apt_install valkey-server; }; then
            reason+="${reason:+; }valkey-server is not installed, and there is no package of it"
            return 1
        fi
    fi
    launch valkey-server valkey-server --port "$1" --bind 127.0.0.1 --dir "$folder" --save ""
    wait_for valkey-server valkey-cli -p "$1" ping || return 1
    give SESSION_STORE_TEST_VALKEY_URL "redis://127.0.0.1:$1"
}

start_postgres() {
    local programs as_postgres=(env -C "$folder")
    [[ -n $(postgres_programs) ]] || apt_install postgresql || return 1
    programs=$(postgres_programs)
    if is_root; then
        # The server refuses to run as root.
        as_postgres+=(setpriv --reuid=postgres --regid=postgres --init-groups)
        chown postgres "$folder"
    fi
    logged initdb "${as_postgres[@]}" "$programs/initdb" -D "$folder/data" \
        --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync || return 1
    launch postgres "${as_postgres[@]}" "$programs/postgres" -D "$folder/data" \
        -p "$1" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
    wait_for postgres psql -h 127.0.0.1 -p "$1" -U postgres -c 'SELECT 1' || return 1
    give SESSION_STORE_TEST_POSTGRES_URL "postgres://postgres@127.0.0.1:$1/postgres"
}

# The folder of the newest server's programs, which Debian keeps off PATH.
postgres_programs() {
    local newest
    newest=$({ find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null || true; } | sort -V | tail -n 1)
    [[ -n $newest ]] || newest=$(command -v postgres) || return 0
    dirname "$newest"
}

start_mongo() {
    local program
    find_mongod || return 1
    launch mongod "$program" --port "$1" --bind_ip 127.0.0.1 --dbpath "$folder"
    wait_for mongod accepts "$1" || return 1
    give SESSION_STORE_TEST_MONGO_URL "mongodb://127.0.0.1:$1"
}
