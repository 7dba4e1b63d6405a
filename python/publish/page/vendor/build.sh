#!/usr/bin/env bash
# Build ../built from ../src and what package-lock.json names, byte for byte the same each time.
# `make vendor` calls it, after a change of either; it needs node, npm and a package registry. The
# page itself needs none of them: ../built is in the repository, and SHA256SUMS says what it is of.
set -eu -o pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp vendor/package.json vendor/package-lock.json "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
modules="$work/node_modules"
NODE_PATH="$modules" "$modules/.bin/esbuild" plot=vendor/plot_entry.js page=src/main.js \
    --bundle --minify --format=iife --charset=utf8 --legal-comments=none \
    --target=chrome92,firefox113,safari16.4 --log-level=warning --outdir=built
cp "$modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2" built/inter.woff2
for license in "$modules"/*/LICENSE* "$modules"/@fontsource-variable/*/LICENSE \
    "$modules"/@observablehq/*/LICENSE; do
    package=${license#"$modules"/}
    case $package in esbuild/*) continue ;; esac
    printf '==== %s ====\n\n' "${package%/*}"
    tr -d '\r' <"$license"
    printf '\n'
done >vendor/LICENSES.txt
sha256sum built/* src/*.js vendor/*.json vendor/*.js vendor/LICENSES.txt >vendor/SHA256SUMS
