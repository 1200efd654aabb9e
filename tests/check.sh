# What the tests of programs share: a folder to work in, and the count. To be sourced.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

passed=0
failed=0

# check NAME COMMAND...: the command succeeds; what it prints is in out.txt and err.txt.
check() {
    label=$1
    shift
    if "$@" >out.txt 2>err.txt; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok: $label"
        tail -n 20 err.txt | sed 's/^/    /'
    fi
}
