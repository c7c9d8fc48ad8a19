// One selection links all views: a range of turns, one turn, and a tool or kind.
// @ts-check
"use strict";

/** @type {PageData} */
const data = JSON.parse(byId("data").textContent || "{}");
const turnCount = data.turns.billed_usd.length;

/** @typedef {{ turns: [number, number] | null, turn: number | null, source: string | null }} RunSelection */

/** @type {RunSelection} */
let selection = { turns: null, turn: data.prompts.fullest_turn, source: null };

/** @type {((selection: RunSelection) => void)[]} */
const listeners = [];

/** @param {(selection: RunSelection) => void} listener called at every change of the selection */
function onSelection(listener) {
  listeners.push(listener);
}

/** @param {Partial<RunSelection>} change */
function select(change) {
  selection = { ...selection, ...change };
  for (const listener of listeners) listener(selection);
}

/** @param {number} turn */
function isInRange(turn) {
  return selection.turns === null || (turn >= selection.turns[0] && turn <= selection.turns[1]);
}

/** @param {string} source */
function toggleSource(source) {
  select({ source: selection.source === source ? null : source });
}

/** @param {number} turn @param {number} step */
function movedTurn(turn, step) {
  return Math.max(0, Math.min(turnCount - 1, turn + step));
}

/**
 * The keys that every picture over turns understands: arrows move the turn, with Shift they select a range.
 * @param {KeyboardEvent} event
 */
function turnKeys(event) {
  const at = selection.turn ?? 0;
  const steps = /** @type {Record<string, number>} */ ({
    ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -turnCount, End: turnCount,
  });
  if (event.key === "Escape") {
    select({ turns: null, source: null });
  } else if (event.key in steps) {
    const turn = movedTurn(at, steps[event.key]);
    if (event.shiftKey) {
      const [low, high] = selection.turns ?? [at, at];
      const anchor = at === high ? low : high;
      select({ turn, turns: [Math.min(anchor, turn), Math.max(anchor, turn)] });
    } else {
      select({ turn });
    }
  } else {
    return;
  }
  event.preventDefault();
}

for (const name of data.context.tool.names) colourOf(name);
