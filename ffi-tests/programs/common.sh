# What the tests of example programs share. To be sourced; `root` is the project's folder.

export LC_ALL=C
. "$root/tests/check.sh"

# refused TEXT OUTPUT COMMAND...: it fails, not by a signal, says TEXT, and leaves no OUTPUT.
refused() {
    text=$1
    output=$2
    shift 2
    rm -f "$output"
    "$@" >/dev/null 2>refusal.txt
    code=$?
    cat refusal.txt >&2
    [ $code = 1 ] && grep -q -e "$text" refusal.txt && [ ! -e "$output" ] && [ ! -e "$output.part" ]
}

# says TEXT COMMAND...: it succeeds, and says TEXT on standard error.
says() {
    text=$1
    shift
    "$@" 2>said.txt
    code=$?
    cat said.txt >&2
    [ $code = 0 ] && grep -q -e "$text" said.txt
}

differ() { ! cmp -s "$1" "$2"; }
bytes() { wc -c <"$1"; }

# full TEXT OUTPUT COMMAND...: refused at the 4096th byte, and an older OUTPUT stays as it was.
full() {
    text=$1
    output=$2
    shift 2
    refused "$text" "$output" sh -c 'trap "" XFSZ && ulimit -f 8 && "$@"' sh "$@" || return 1
    echo "an older file" | tee older >"$output"
    ! (trap "" XFSZ && ulimit -f 8 && "$@") >/dev/null && cmp older "$output" && [ ! -e "$output.part" ]
}

# Root may write anywhere: be nobody.
nobody() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}
