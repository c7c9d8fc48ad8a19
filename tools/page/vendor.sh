#!/bin/sh
# Writes the vendored library of the page again, from the versions in package-lock.json, with its licences.
set -e
cd "$(dirname "$0")"
out=../../tokenprof/pictures/page/assets/vendor
npm ci --silent --no-audit --no-fund
node_modules/.bin/esbuild d3_entry.js --bundle --minify --format=iife --global-name=d3 --charset=ascii \
  --legal-comments=none --outfile=$out/d3.min.js
node licences.mjs > $out/LICENCES.txt
