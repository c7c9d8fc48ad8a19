#!/usr/bin/env bash
# Runs the gate: $OUT/comment.md, $OUT/tokenprof.sarif and $OUT/junit.xml beside the text in the log.
# Exit code: that of `tokenprof check` (0 ok or inconclusive, 1 regression, 2 bad input).
set -uo pipefail
mkdir -p "$OUT"
python -m pip install --quiet "$PACKAGE" || exit 2

files=()
while IFS= read -r pattern; do
  # A pattern without a match stays as it is, and `tokenprof check` names the file that is missing.
  while IFS= read -r file; do files+=("$file"); done < <(compgen -G "$pattern" || printf '%s\n' "$pattern")
done < <(grep -v '^[[:space:]]*$' <<<"$RUNS")

arguments=(--baseline "$BASELINE" --tolerance "$TOLERANCE")
[[ -n "${SCENARIO:-}" ]] && arguments+=(--scenario "$SCENARIO")
while IFS= read -r limit; do arguments+=(--budget "$limit"); done < <(grep -v '^[[:space:]]*$' <<<"${BUDGET:-}")

tokenprof check "${files[@]}" "${arguments[@]}"
code=$?
if [[ $code -le 1 ]]; then
  tokenprof check "${files[@]}" "${arguments[@]}" --format markdown -o "$OUT/comment.md" 2>/dev/null
  tokenprof check "${files[@]}" "${arguments[@]}" --format sarif -o "$OUT/tokenprof.sarif" 2>/dev/null
  tokenprof check "${files[@]}" "${arguments[@]}" --format junit -o "$OUT/junit.xml" 2>/dev/null
  [[ -n "${GITHUB_STEP_SUMMARY:-}" ]] && cat "$OUT/comment.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit $code
