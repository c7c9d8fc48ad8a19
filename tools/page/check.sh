#!/bin/sh
# Checks the types of the page's scripts. page_data.d.ts is written from the Python types (write_types.py).
set -e
cd "$(dirname "$0")"
{ test -x node_modules/.bin/tsc && test -d node_modules/speedscope; } || npm ci --silent --no-audit --no-fund
node_modules/.bin/tsc -p tsconfig.json
