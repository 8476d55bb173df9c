# Owns how the steps of tests/run are run: side by side in lanes, the output of each whole, a table of their seconds. Which steps
# there are, and which of them run side by side, is for tests/run, which sources this file.

steps=$(mktemp -d)
: >"$steps/ended"
declare -A lanes=()
trap end_steps EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step NAME COMMAND…: runs COMMAND and, when it has ended, prints all of its output. Its status becomes that of the step.
step() {
    local name=$1 started=$SECONDS output status=0 took
    shift
    output=$(mktemp "$steps/running.XXXXXX")
    printf '%s\n' "$name" >"$output.name"
    printf -- '-- %s\n' "$name"
    "$@" >"$output" 2>&1 </dev/null || status=$?
    took=$((SECONDS - started))
    show "$name" "$output" "$took s" "$status"
    printf '%s\t%s\t%s\n' "$name" "$took" "$status" >>"$steps/ended"
    rm "$output" "$output.name"
    return "$status"
}

# Under a lock, so that the outputs of two steps do not mix.
show() {
    local name=$1 output=$2 took=$3 status=$4
    {
        flock 9
        printf '\n== %s, %s\n' "$name" "$took"
        cat "$output"
        ((status == 0)) || printf 'FAILED: %s, with exit status %s\n' "$name" "$status"
    } 9>>"$steps/printing"
}

# lane NAME COMMAND…: runs COMMAND, which runs steps, beside what follows; in a process group, to end it as a whole.
lane() {
    local name=$1
    shift
    set -m
    (trap - EXIT INT TERM && "$@") </dev/null &
    set +m
    lanes[$name]=$!
}

# join NAME…: waits until these lanes have ended. A lane that failed outside its steps becomes a failed step.
join() {
    local name
    for name in "$@"; do
        wait "${lanes[$name]}" || printf '%s\t0\t1\n' "lane $name" >>"$steps/ended"
        unset "lanes[$name]"
    done
}

# Whether steps ran, and each with success.
no_failure() { awk -F '\t' '$3 { failed = 1 } END { exit failed || !NR }' "$steps/ended"; }

# Prints the table. Returns as no_failure.
all_passed() {
    printf '\n%7s  %s\n' seconds step
    awk -F '\t' '{ printf "%7d  %s%s\n", $2, $1, $3 ? "  FAILED" : "" }' "$steps/ended"
    printf '%7d  %s\n' "$SECONDS" 'in all'
    no_failure
}

# After an error or a signal: ends what still runs, and prints how far it came.
end_steps() {
    local status=$? pid output
    for pid in "${lanes[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
    for output in "$steps"/running.*.name; do
        [[ -e $output ]] || continue
        show "$(cat "$output")" "${output%.name}" 'not ended' "$status"
    done
    rm -rf "$steps"
    exit "$status"
}
