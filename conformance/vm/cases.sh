#!/bin/sh
# cases.sh MODE RUNTIME [MOCHA-ARGUMENT...]: runs in the guest; the conformance cases as
#   root      root under systemd
#   rootless  an ordinary user in a session with delegated controllers
#   userns    root of a user namespace that this user has made
# The counts go to $VM_CONTROL/counts.json, or where TEST_COUNTS says.
set -eu
mode=$1
runtime=$2
shift 2
cd /opt/tsrunc
export RUNTIME="$runtime" TEST_COUNTS="${TEST_COUNTS:-$VM_CONTROL/counts.json}"
mocha="node node_modules/mocha/bin/mocha.js --reporter .ci/reporter.cjs --config conformance/mocharc.json"

# The user cannot write to the host's directory.
as_user() {
  counts=/tmp/counts-$mode.json
  rm -f "$counts"
  status=0
  runuser -u tester -- env HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000 TEST_COUNTS="$counts" \
    DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus \
    systemd-run --user --scope --quiet -p Delegate=yes "$@" || status=$?
  if [ -e "$counts" ]; then cp "$counts" "$TEST_COUNTS"; fi
  return "$status"
}

# Commands are words.
# shellcheck disable=SC2086
case $mode in
  root) $mocha "$@" ;;
  rootless) as_user $mocha "$@" ;;
  userns) as_user unshare --user --map-root-user --map-auto --mount --propagation unchanged $mocha "$@" ;;
  *) echo "cases.sh: unknown mode $mode" >&2 && exit 2 ;;
esac
