#!/bin/sh
# fetch.sh FOLDER: puts ptxas and the libraries whose functions gocaffe calls into
# FOLDER, out of Debian's packages, which are neither installed nor kept. They are in
# the section non-free: it is added to a temporary copy of this machine's own apt
# sources. Where that does not work, FOLDER stays empty, and the message says so.
set -eu
mkdir -p "$1"
out=$(cd "$1" && pwd)
[ -e "$out/ptxas" ] && [ -e "$out/libcublas.so.11" ] && [ -e "$out/libcuda.so.1" ] && exit 0

skip() {
  echo "SKIPPED: NVIDIA's assembler and libraries cannot be had: $*; the kernels are not assembled" >&2
  exit 0
}
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "there is no apt-get or dpkg-deb"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$(. /etc/os-release && echo "$ID")" = debian ] && [ -n "$codename" ] || skip "this is no Debian"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"

# The sources of the release itself, in either of apt's formats.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$file" ] || continue
  sed -n "s/^ *deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\)  *$codename  *.*/deb \1\2 $codename non-free/p" "$file"
done >"$work/sources.list"
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  awk -v codename="$codename" '
    function flush(  n, u, s, i, j) {
      n = split(suites, s, " ")
      for (i = 1; i <= n; i++) if (s[i] == codename)
        for (j = split(uris, u, " "); j > 0; j--)
          print "deb " (key ? "[signed-by=" key "] " : "") u[j] " " codename " non-free"
      suites = uris = key = ""
    }
    /^[ \t]*$/ { flush() }
    /^Suites:/ { sub(/^[^:]*: */, ""); suites = $0 }
    /^URIs:/ { sub(/^[^:]*: */, ""); uris = $0 }
    /^Signed-By: *\// { key = $2 }
    END { flush() }' "$file"
done >>"$work/sources.list"
[ -s "$work/sources.list" ] || skip "no source of apt is for $codename"

apt() {
  command="$1"
  shift
  "$command" -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
apt apt-get update || skip "apt-get update failed"
cd "$work"
apt apt-get download nvidia-cuda-toolkit libcublas11 libcuda1 || skip "apt-get download failed"

# take PACKAGE PATTERN NAME
take() {
  dpkg-deb --fsys-tarfile "$work/$1"_*.deb | tar -x -C "$work/root" --wildcards "$2"
  find "$work/root" -path "$work/root/${2#./}" -type f -exec mv {} "$out/$3" \;
  [ -e "$out/$3" ] || skip "package $1 has no $2"
}
take nvidia-cuda-toolkit './usr/bin/ptxas' ptxas
take libcublas11 './usr/lib/*/libcublas.so.11.*' libcublas.so.11
take libcuda1 './usr/lib/*/libcuda.so.*' libcuda.so.1
