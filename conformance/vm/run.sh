#!/bin/sh
# run.sh [uml|qemu] COMMAND: boots the guest, runs the shell command there as root, passes on its output and exit status.
# In the guest: the repository at /host (writable), the built runtime in PATH, node, this suite in /opt/tsrunc.
# Neither kind needs KVM. VM_TIMEOUT: seconds until the guest is ended, default 600.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
kind=qemu
case ${1:-} in uml | qemu) kind=$1 && shift ;; esac
guest=$("$here/build.sh")

mkdir -p "$top/build/vm"
control=$(mktemp -d "$top/build/vm/run.XXXXXX")
work=$(mktemp -d)
files=
machine=
cleanup() {
  for pid in $machine $files; do kill "$pid" 2>/dev/null || :; done
  wait
  rm -rf "$work" "$control"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

printf '%s\n' "$*" >"$control/command"
: >"$control/output"
"$here/payload.sh" "$control/payload.tar"
options="panic=-1 rw vm.control=${control#"$top"/}"

# A Debian kernel on an emulated processor.
start_qemu() {
  command -v qemu-system-x86_64 >/dev/null || { echo "qemu-system-x86_64 is not installed" >&2; exit 125; }
  # bookworm's QEMU brings virtiofsd; later it is a package of its own.
  for virtiofsd in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do [ -x "$virtiofsd" ] && break; done
  "$virtiofsd" --socket-path="$work/socket" -o source="$top" -o cache=auto -o xattr -f >"$work/virtiofsd.log" 2>&1 &
  files=$!
  while [ ! -S "$work/socket" ] && kill -0 "$files" 2>/dev/null; do sleep 0.05; done
  # -cx16: QEMU 7.2 gets the flags of cmpxchg16b wrong. virtiofs needs shared memory. The image is never written, and
  # User-Mode Linux may hold a lock on it.
  timeout "${VM_TIMEOUT:-600}" qemu-system-x86_64 -nodefaults -no-user-config -nographic -no-reboot \
    -machine q35 -accel tcg,thread=multi,tb-size=512 -cpu max,-cx16 -smp 2 -m 2G \
    -object memory-backend-memfd,id=mem,size=2G,share=on -numa node,memdev=mem -kernel "$guest/vmlinuz" \
    -append "console=ttyS0 quiet oops=panic root=/dev/nvme0n1 rootfstype=ext4 nokaslr mitigations=off $options" \
    -drive if=none,id=root,format=raw,snapshot=on,file.filename="$guest/root.img",file.locking=off \
    -device nvme,serial=root,drive=root \
    -device virtio-rng-pci -chardev socket,id=files,path="$work/socket" -device vhost-user-fs-pci,chardev=files,tag=host \
    -serial file:"$work/console" </dev/null >"$work/qemu.log" 2>&1 &
  machine=$!
}

# A kernel that is a process of ours: near native speed, one processor, no cpuset controller, no pressure information.
# It runs in a root directory of its own, with the C library that it was made for.
start_uml() {
  [ -d "$guest/uml" ] || { echo "the guest has no User-Mode Linux" >&2; exit 125; }
  [ "$(id -u)" -eq 0 ] || { echo "User-Mode Linux is started as root here" >&2; exit 125; }
  # shellcheck disable=SC2016
  guest=$guest top=$top work=$work options=$options timeout "${VM_TIMEOUT:-600}" unshare -m sh -c '
    cd "$guest/uml"
    mount --bind /proc proc
    mount --rbind /dev dev
    mount -t tmpfs tmpfs tmp
    mkdir tmp/share tmp/work tmp/guest
    mount --bind "$top" tmp/share
    mount --bind "$work" tmp/work
    mount --bind "$guest" tmp/guest
    HOME=/tmp exec chroot . /linux.uml mem=2G ubd0=/tmp/work/changes,/tmp/guest/root.img root=/dev/ubda con=null \
      con0=fd:0,fd:1 con1=null seccomp=on lsm=lockdown,yama,apparmor apparmor=1 vm.share=/tmp/share $options
  ' </dev/null >"$work/console" 2>&1 &
  machine=$!
}

"start_$kind"
tail -n +1 --pid="$machine" -s 0.2 -f "$control/output" 2>/dev/null
wait "$machine" || :
machine=
if [ -s "$control/status" ]; then exit "$(cat "$control/status")"; fi
echo "the guest ended before the command did; its console:" >&2
tail -n 40 "$work/console" "$work"/*.log >&2
exit 125
