#!/bin/sh
# Downloads Debian packages with all that they depend on, and unpacks them in a folder. Nothing is
# installed; neither root nor the system's list of packages is needed. What is there is left as it is.
#
#   tests/cross/unpack.sh FOLDER PACKAGE[:ARCHITECTURE]...
set -eu

folder=$1
shift
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "unpack: builds for other machines are made with Debian's packages (Debian 12): no apt-get here" >&2
    exit 1
fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
apt=$folder/apt
names=$folder/unpacked
# One at a time.
exec 9>"$folder/lock"
flock 9
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
touch "$names" "$apt/status"
wanted=
for name in "$@"; do
    grep -qx "$name" "$names" || wanted="$wanted $name"
done
[ -n "$wanted" ] || exit 0

native=$(dpkg --print-architecture)
architectures=$({ echo "$native" && echo "$@" | tr ' ' '\n' | cat "$names" - | sed -n 's/.*://p'; } | sort -u)
{
    for architecture in $architectures; do echo "APT::Architectures:: \"$architecture\";"; done
    cat <<EOF
APT::Architecture "$native";
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
EOF
} >"$apt/apt.conf"
export APT_CONFIG="$apt/apt.conf"

echo "unpack: downloading$wanted"
# Lists of other distributors may lack an architecture.
apt-get -qq update 2>"$apt/update.log" || :
# shellcheck disable=SC2086
apt-get -qq -y install --download-only $wanted >"$apt/install.log" 2>&1 || {
    cat "$apt/update.log" "$apt/install.log" >&2
    exit 1
}
for package in "$apt"/archives/*.deb; do
    # All may have come with others.
    [ -e "$package" ] || continue
    case ${package##*/} in
    # The system's own: no other may stand in the way of its programs.
    libc6_*"_$native.deb") ;;
    *) dpkg-deb -x "$package" "$folder" ;;
    esac
    # As apt finds what is there.
    { cat "$apt/status" && dpkg-deb -f "$package" && printf 'Status: install ok installed\n\n'; } >"$apt/status.new"
    mv "$apt/status.new" "$apt/status"
    rm "$package"
done
echo "$wanted" | tr ' ' '\n' | sed '/^$/d' >>"$names"
