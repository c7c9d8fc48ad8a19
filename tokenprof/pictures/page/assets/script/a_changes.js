// Two runs as one tree: as wide as the larger bill, coloured by what changed.
// @ts-check
"use strict";

const CHANGE_ROW = 40;

/**
 * @param {number} width @param {ComparedTree} tree
 * @param {(words: string) => void} describe called for the box under the pointer or with the focus
 * @param {(name: string) => void} [choose] called for a tool or kind that is clicked
 */
function changesPicture(width, tree, describe, choose) {
  const span = tree.parent.map((_, at) => Math.max(tree.before_usd[at], tree.now_usd[at]));
  const left = tree.parent.map(() => 0), wide = tree.parent.map(() => width), depth = tree.parent.map(() => 0);
  const change = tree.parent.map((_, at) => tree.now_usd[at] - tree.before_usd[at]);
  const most = d3.max(change, Math.abs) || 1;
  const used = tree.parent.map(() => 0), below = tree.parent.map(() => 0);
  tree.parent.forEach((parent, at) => {
    if (parent >= 0) below[parent] += span[at];
  });
  const svg = svgEl("svg", { width, height: 3 * CHANGE_ROW, role: "group", "aria-label": "Agents, tools and kinds by what they were billed before and now" });
  tree.parent.forEach((parent, at) => {
    if (parent >= 0) {
      depth[at] = depth[parent] + 1;
      wide[at] = below[parent] ? (wide[parent] * span[at]) / below[parent] : 0;
      left[at] = left[parent] + used[parent];
      used[parent] += wide[at];
    }
    if (wide[at] < 1) return;
    const words = `${tree.name[at]}: ${usd(tree.before_usd[at])} before, ${usd(tree.now_usd[at])} now, ${signedUsd(change[at])}`;
    const pick = choose && depth[at] === 2 ? () => choose(tree.name[at]) : null;
    const box = svgEl("g", {
      class: "box", tabindex: 0, role: pick ? "button" : "img", "aria-label": words, transform: `translate(${left[at].toFixed(1)},${depth[at] * CHANGE_ROW})`,
      mouseenter: () => describe(words), focus: () => describe(words), click: pick,
      keydown: (/** @type {KeyboardEvent} */ event) => (event.key === "Enter" && pick ? pick() : undefined),
    },
      svgEl("title", {}, words),
      svgEl("rect", { width: Math.max(0.5, wide[at] - 1).toFixed(1), height: CHANGE_ROW - 3, rx: 3, fill: "var(--box-run)" }),
      svgEl("rect", { width: Math.max(0.5, wide[at] - 1).toFixed(1), height: CHANGE_ROW - 3, rx: 3, fill: change[at] > 0 ? "var(--miss)" : "var(--money)", "fill-opacity": ((0.75 * Math.abs(change[at])) / most).toFixed(3) }));
    box.append(svgEl("text", { x: 6, y: 15, class: "on-plain" }, fitting(tree.name[at], wide[at] - 10)));
    box.append(svgEl("text", { x: 6, y: 30, class: "on-plain" }, fitting(signedUsd(change[at]), wide[at] - 10)));
    svg.append(box);
  });
  return svg;
}

/** @param {number} change dollars */
function signedUsd(change) {
  return change > 0 ? `+${usd(change)}` : usd(change);
}
