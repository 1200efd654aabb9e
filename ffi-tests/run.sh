#!/bin/sh
# Runs the test programs plain, sanitized and under valgrind, and sums up their checks. A program
# that ends without its sum, or whose status does not fit it, counts as one failure more.
set -u

tests="library arguments jpeg stream decoder depth encoder video stress"
passed=0
failed=0

# run LABEL PROGRAM [WRAPPER...]
run() {
    label=$1
    program=$2
    shift 2
    argument=
    case $program in
        *test_jpeg*) argument=$DATA/jpeg ;;
        *test_stream*) argument=$DATA/nal ;;
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
    printf '%-10s %-24s %7d passed, %d failed  (%d s)\n' \
        "$label" "$(basename "$program")" "$p" "$f" "$seconds"
    if [ "$f" -ne 0 ]; then
        echo "  status $status; the end of $log:"
        tail -n 40 "$log" | sed 's/^/  /'
    fi
    passed=$((passed + p))
    failed=$((failed + f))
}

# The headers passed by being compiled without a warning.
for header in header_c header_cpp; do
    "$BUILD/$header" && passed=$((passed + 1)) || failed=$((failed + 1))
    printf '%-10s %-24s\n' compiled "$header"
done

for test in $tests; do
    run plain "$BUILD/test_$test" env
done
run plain "$BUILD/test_decoder_static" env
# Without the allocator's caches every byte in use is told.
run plain "$BUILD/test_memory" env GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1
run plain "$BUILD/test_fault" env
for test in $tests; do
    run scalar "$BUILD/test_$test" env QUICK=1 SIDELIGHT_CPU=scalar
done
for test in $tests; do
    run sanitized "$BUILD/test_${test}_sanitized" env
done
for test in $tests; do
    run valgrind "$BUILD/test_$test" env QUICK=1 "$VALGRIND" --quiet --error-exitcode=9 \
        --leak-check=full --errors-for-leak-kinds=definite,indirect
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
