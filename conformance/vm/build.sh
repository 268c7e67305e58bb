#!/bin/sh
# Builds the guest: prints the directory in the cache that holds its kernel and root image. Needs root, mmdebstrap, mke2fs
# and a Debian mirror; about half a minute. A guest whose recipe (this directory's build.sh and guest/) has not changed is
# used again; older ones are removed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
suite=${VM_SUITE:-bookworm}
cache=${TSRUNC_CACHE:-/var/cache/tsrunc}
key=$({ echo "$suite"; cat "$here/build.sh"; cat "$here"/guest/*; } | sha256sum | cut -c1-16)
guest=$cache/guest-$key

if [ -e "$guest/root.img" ]; then
  echo "$guest"
  exit 0
fi
for program in mmdebstrap mke2fs depmod; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || {
    echo "cannot build the guest: $program is not installed" >&2
    exit 1
  }
done
[ "$(uname -m)" = x86_64 ] || { echo "cannot build the guest: it is made for x86_64" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "cannot build the guest: not root" >&2; exit 1; }

# The host's mirror, where the host is a Debian.
mirror=${DEBIAN_MIRROR:-$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)}
mirror=${mirror:-$(sed -n 's/^deb *\(\[[^]]*\] *\)\{0,1\}\(http[^ ]*\) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -1)}
[ "$mirror" ] || { echo "cannot build the guest: no Debian mirror known (DEBIAN_MIRROR)" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/building.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

packages=$(sed 's/#.*//' "$here/guest/packages" | tr -s ' \n' ',' | sed 's/^,//; s/,$//')
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --customize-hook="$here/guest/customize" \
  "$suite" "$work/root" "$mirror" >&2

mkdir "$work/guest"
mv "$work/root/boot/vmlinuz" "$work/guest/vmlinuz"
if [ -d "$work/root/uml" ]; then mv "$work/root/uml" "$work/guest/uml"; fi
PATH="$PATH:/usr/sbin:/sbin" mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$work/root" "$work/guest/root.img" 2G >&2
rm -rf "$cache"/guest-*
mv "$work/guest" "$guest"
echo "$guest"
