// Puts the views into the page, draws them one after another, and again when the page changes its width.
// @ts-check
"use strict";

/** @type {[string, (root: HTMLElement) => () => void][]} */
const VIEWS = [
  ["view-context", contextView], ["view-turn", turnView], ["view-icicle", icicleView], ["view-treemap", treemapView],
  ["view-bill", billView], ["view-dollar", dollarView], ["view-timeline", timelineView], ["view-cache", cacheView],
  ["view-what-if", whatIfView], ["view-tables", tablesView], ["view-basis", basisView],
];

/** @param {HTMLElement} root */
function basisView(root) {
  const lines = data.basis;
  const draw = tableView(root, { name: "assumptions and sources", rows: lines.length, columns: [
    { name: "about", value: (row) => lines[row].about }, { name: "assumption", value: (row) => lines[row].name },
    { name: "value", value: (row) => lines[row].value }, { name: "source", value: (row) => lines[row].source },
  ] });
  return draw;
}

function selectionBar() {
  const bar = byId("selection");
  const parts = [];
  if (selection.turns) parts.push(selection.turns[0] === selection.turns[1] ? `turn ${selection.turns[0]}` : `turns ${selection.turns[0]} to ${selection.turns[1]}`);
  if (selection.source) parts.push(selection.source);
  bar.hidden = !parts.length;
  refill(bar, el("span", {}, "Selected: "), el("strong", {}, parts.join(", ")),
    el("button", { type: "button", click: () => select({ turns: null, source: null }) }, "Clear"));
}

/** @type {(() => void)[]} */
const drawn = [];

function start() {
  themeSwitch();
  showHints();
  markSections();
  onSelection(selectionBar);
  for (const button of document.querySelectorAll("[data-turns]")) {
    button.addEventListener("click", () => {
      const turns = String(button.getAttribute("data-turns")).split(",").map(Number);
      select({ turn: turns[0], turns: [turns[0], turns[turns.length - 1]] });
      byId("context").scrollIntoView();
    });
  }
  const waiting = VIEWS.map(([id, view]) => () => {
    const draw = view(byId(id));
    draw();
    drawn.push(draw);
  });
  const next = () => {
    const view = waiting.shift();
    if (!view) {
      document.documentElement.setAttribute("data-drawn", "all");
      return;
    }
    view();
    setTimeout(next, 0);
  };
  requestAnimationFrame(() => setTimeout(next, 0));
  let width = document.documentElement.clientWidth;
  addEventListener("resize", () => {
    if (width === document.documentElement.clientWidth) return;
    width = document.documentElement.clientWidth;
    for (const draw of drawn) draw();
  });
}
start();
