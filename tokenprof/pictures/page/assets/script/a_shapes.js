// Shapes over turns, and a row of radio buttons.
// @ts-check
"use strict";

/** A legend's entry. @param {string} fill @param {string} text @param {string} [shape] of the swatch: a square, "line" or a letter */
function key(fill, text, shape = "") {
  const isMark = shape !== "" && shape !== "line";
  const swatch = isMark ? el("span", { class: "mark", "aria-hidden": "true" }, shape) : el("span", { class: `swatch ${shape}`, fill, "aria-hidden": "true" });
  if (isMark) swatch.style.color = fill;
  return el("span", { class: "key" }, swatch, text);
}

/** @param {any} event @param {Element} node @returns {[number, number]} */
function pointer(event, node) {
  const box = node.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/**
 * A stacked area whose columns are as wide as a turn.
 * @param {(turn: number) => number} x @param {(tokens: number) => number} y
 * @param {ArrayLike<number>} low @param {ArrayLike<number>} high
 */
function stepArea(x, y, low, high) {
  const there = [], back = [];
  for (let turn = 0; turn < high.length; turn++) {
    const left = x(turn - 0.5).toFixed(1), right = x(turn + 0.5).toFixed(1);
    there.push(`${left},${y(high[turn]).toFixed(1)}`, `${right},${y(high[turn]).toFixed(1)}`);
    back.push(`${left},${y(low[turn]).toFixed(1)}`, `${right},${y(low[turn]).toFixed(1)}`);
  }
  return there.length ? `M${there.join("L")}L${back.reverse().join("L")}Z` : "";
}

/** @param {(turn: number) => number} x @param {(tokens: number) => number} y @param {(number | null)[]} values */
function stepLine(x, y, values) {
  const parts = values.map((value, turn) =>
    value === null ? "" : `${x(turn - 0.5).toFixed(1)},${y(value).toFixed(1)}L${x(turn + 0.5).toFixed(1)},${y(value).toFixed(1)}`,
  ).filter(Boolean);
  return parts.length ? `M${parts.join("L")}` : "";
}

/**
 * A row of radio buttons.
 * @param {string} label @param {string} name @param {string[]} values @param {string[]} labels
 * @param {string} chosen @param {(value: string) => void} changed
 */
function switcher(label, name, values, labels, chosen, changed) {
  const buttons = values.map((value, at) =>
    el("label", {}, el("input", { type: "radio", name, value, checked: value === chosen, change: () => changed(value) }), el("span", {}, labels[at])),
  );
  return el("fieldset", { class: "switch" }, el("legend", {}, label), ...buttons);
}
