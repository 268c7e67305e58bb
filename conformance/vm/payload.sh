#!/bin/sh
# payload.sh FILE: a tar archive of what the guest needs from this checkout: dist/, the compiled suite, mocha and node.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
# mocha, chai and all that they depend on
modules=$(node -e '
  const { existsSync, readFileSync } = require("node:fs");
  const seen = new Set();
  const visit = (name, from) => {
    let path = from;
    while (!existsSync(`${path}node_modules/${name}`)) path = path.slice(0, path.lastIndexOf("node_modules/"));
    path += `node_modules/${name}/`;
    if (seen.has(path)) return;
    seen.add(path);
    const { dependencies = {} } = JSON.parse(readFileSync(`${path}package.json`, "utf8"));
    for (const dependency of Object.keys(dependencies)) visit(dependency, path);
  };
  for (const name of ["mocha", "chai"]) visit(name, "");
  console.log([...seen].join("\n"));
')
# shellcheck disable=SC2086
tar -cf "$1" --exclude='*.map' --transform 's,^,opt/tsrunc/,' \
  package.json .ci/reporter.cjs conformance/mocharc.json conformance/harness/profiles conformance/vm \
  build/conformance build/conformance-probe build/runtime build/schemas $modules -C "${VM_DIST:-.}" dist
node=$(readlink -f "$(node -p process.execPath)")
tar -rf "$1" -C "$(dirname "$node")" --transform 's,.*,usr/local/bin/node,' "$(basename "$node")"
