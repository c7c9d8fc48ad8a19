// The colour of a kind or a tool, the same in every view.
// @ts-check
"use strict";

const PALETTE = 14;
const KIND_COLOURS = /** @type {Record<string, string>} */ ({
  system: "var(--c0)", "tool schema": "var(--c1)", user: "var(--c2)", assistant: "var(--c3)",
  thinking: "var(--c4)", "tool call": "var(--c5)", "tool result": "var(--c6)", skill: "var(--c7)",
  "skills index": "var(--c8)", memory: "var(--c9)", reminder: "var(--c10)", summary: "var(--c11)",
  output: "var(--c12)", document: "var(--c13)", image: "var(--c13)", "server state": "var(--c9)",
  overhead: "var(--n1)", "not placed": "var(--n2)", "everything else": "var(--n3)", "smaller blocks": "var(--n3)",
});
const STATE_COLOURS = ["var(--read)", "var(--written)", "var(--fresh)"];

/** @type {Map<string, string>} */
const sourceColours = new Map();

/** The colour of a kind or tool, the same in every view. @param {string} source */
function colourOf(source) {
  if (source in KIND_COLOURS) return KIND_COLOURS[source];
  let colour = sourceColours.get(source);
  if (!colour) {
    const taken = [6, 1, 5, 3, 7, 11, 9, 13, 2, 12, 4, 10, 0, 8];
    colour = `var(--c${taken[sourceColours.size % PALETTE]})`;
    sourceColours.set(source, colour);
  }
  return colour;
}
