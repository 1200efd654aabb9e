#!/bin/sh
# Runs the test programs plain, sanitized and under valgrind, JOBS at a time (without it as many as there
# are processors), and sums up their checks. A program that ends without its sum, or whose status does
# not fit it, counts as one failure more. Those that take longest come first.
set -u

# one NUMBER LABEL PROGRAM [WRAPPER...]: runs a program; what is to be said of it is in results/NUMBER,
# behind the counts.
one() {
    number=$1
    label=$2
    program=$3
    shift 3
    argument=
    case $program in
        *test_jpeg*) argument=$DATA/jpeg ;;
        *test_stream*) argument=$DATA/nal ;;
        *test_portable*) argument=$DATA/decoded.txt ;;
        *test_exhaust*) argument=$DATA ;;
    esac
    log=$BUILD/$(basename "$program").$label.log
    start=$(date +%s)
    "$@" "$program" $argument >"$log" 2>&1
    status=$?
    seconds=$(($(date +%s) - start))
    sum=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
    p=${sum% *}
    f=${sum#* }
    if [ -z "$sum" ]; then
        p=0 f=1
    elif [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1
    fi
    {
        echo "$p $f"
        printf '%-10s %-24s %7d passed, %d failed  (%d s)\n' \
            "$label" "$(basename "$program")" "$p" "$f" "$seconds"
        if [ "$f" -ne 0 ]; then
            echo "  status $status; the end of $log:"
            tail -n 40 "$log" | sed 's/^/  /'
        fi
    } >"$results/$number.part"
    mv "$results/$number.part" "$results/$number"
}

results=$BUILD/results
if [ "${1:-}" = one ]; then
    shift
    one "$@"
    exit 0
fi

rm -rf "$results"
mkdir -p "$results"
runs=0

# run LABEL PROGRAM [WRAPPER...]
run() {
    runs=$((runs + 1))
    echo "$runs $*" >>"$results/list"
}

tests="encoder video optimise stress library arguments jpeg binding stream decoder depth portable"
for test in $tests; do
    run valgrind "$BUILD/test_$test" env QUICK=1 "$VALGRIND" --quiet --error-exitcode=9 \
        --leak-check=full --errors-for-leak-kinds=definite,indirect
done
# Without the allocator's caches every byte in use is told.
uncached=GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1
for test in $tests; do
    case $test in
        stress) run plain "$BUILD/test_$test" env $uncached ;;
        *) run plain "$BUILD/test_$test" env ;;
    esac
done
run plain "$BUILD/test_decoder_static" env
run plain "$BUILD/test_memory" env $uncached
run plain "$BUILD/test_exhaust" env $uncached
run scalar "$BUILD/test_exhaust" env $uncached SIDELIGHT_CPU=scalar
run sanitized "$BUILD/test_exhaust_sanitized" env
run plain "$BUILD/test_fault" env
# A CPU of 2008.
case $(uname -m) in
    x86_64) run no-fma "$BUILD/test_portable" env NO_FMA=1 qemu-x86_64 -cpu Nehalem ;;
esac
for test in $tests; do
    run scalar "$BUILD/test_$test" env QUICK=1 SIDELIGHT_CPU=scalar
done
# Of the library a sanitizer sees the memory alone: those that train need not do so for long.
for test in $tests; do
    case $test in
        encoder | video | optimise | stress) run sanitized "$BUILD/test_${test}_sanitized" env QUICK=1 ;;
        *) run sanitized "$BUILD/test_${test}_sanitized" env ;;
    esac
done

passed=0
failed=0

# The headers passed by being compiled without a warning.
for header in header_c header_cpp; do
    "$BUILD/$header" && passed=$((passed + 1)) || failed=$((failed + 1))
    printf '%-10s %-24s\n' compiled "$header"
done

xargs -P "${JOBS:-$(nproc)}" -L 1 "$0" one <"$results/list" &
runner=$!
number=0
while [ $number -lt $runs ]; do
    number=$((number + 1))
    while [ ! -e "$results/$number" ] && kill -0 $runner 2>/dev/null; do
        sleep 0.2
    done
    if [ -e "$results/$number" ]; then
        read -r p f <"$results/$number"
        tail -n +2 "$results/$number"
        [ "$f" -eq 0 ] || tail -n +2 "$results/$number" >>"$results/failed"
    else
        p=0 f=1
        echo "not run: $(sed -n "${number}p" "$results/list")"
    fi
    passed=$((passed + p))
    failed=$((failed + f))
done
wait $runner || failed=$((failed + 1))

# Once more at the end, where a log that is cut still has them.
[ ! -e "$results/failed" ] || cat "$results/failed"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
