// The live page: shows what the server sends, and computes nothing.
// @ts-check
"use strict";
(() => {
  /** @typedef {{ source?: string, headline: string, figures?: string[][], problem: string | null, columns?: string[], rows: string[][], compute?: string, block_columns?: string[], blocks?: string[][], context_tokens?: number[], turn_usd?: number[] }} LiveEvent */

  /** @param {string} id @returns {any} */
  const byId = (id) => document.getElementById(id);

  /** @param {string} tag @param {string[]} texts */
  const cells = (tag, texts) => texts.map((text) => {
    const cell = document.createElement(tag);
    cell.textContent = text;
    return cell;
  });

  /** @param {string} heads @param {string} body @param {string[]} columns @param {string[][]} rows */
  function fill(heads, body, columns, rows) {
    byId(heads).replaceChildren(...cells("th", columns));
    byId(body).replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      line.append(...cells("td", row));
      return line;
    }));
  }

  /** @param {string[][]} figures a label, a figure and what to know of it */
  function fillFigures(figures) {
    byId("figures").replaceChildren(...figures.map(([label, figure, note], at) => {
      const group = document.createElement("div"), name = document.createElement("dt"), value = document.createElement("dd"), small = document.createElement("small");
      name.textContent = label;
      value.textContent = figure;
      value.className = at ? "" : "money";
      small.textContent = note;
      value.append(small);
      group.append(name, value);
      return group;
    }));
  }

  /** @param {string} name @param {Record<string, string | number>} attributes */
  function shape(name, attributes) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    return node;
  }

  const LAST_TURNS = 400, HIGH = 150, LABEL = 20;

  /** @param {string} id @param {number[]} values @param {string} colour @param {string} label @param {(value: number) => string} written */
  function bars(id, values, colour, label, written) {
    const root = byId(id), shown = values.slice(-LAST_TURNS), width = root.clientWidth || 600, top = Math.max(...shown, 1e-12);
    const svg = shape("svg", { width, height: HIGH, viewBox: `0 0 ${width} ${HIGH}`, role: "img", "aria-label": `${label}, the last ${written(shown[shown.length - 1] ?? 0)}` });
    const step = width / Math.max(shown.length, 40);
    const most = shape("text", { x: 0, y: 12, class: "note" });
    most.textContent = shown.length ? `highest ${written(top)}` : "";
    svg.append(most);
    shown.forEach((value, at) => {
      const high = ((HIGH - LABEL) * value) / top;
      const bar = shape("rect", { x: at * step, y: HIGH - high, width: Math.max(1, step - (step > 4 ? 1 : 0)), height: high });
      bar.style.fill = colour;
      const title = shape("title", {});
      title.textContent = `Turn ${values.length - shown.length + at}: ${written(value)}`;
      bar.append(title);
      svg.append(bar);
    });
    root.replaceChildren(svg);
  }

  const tokens = (/** @type {number} */ value) => `${value.toLocaleString("en-US")} tokens`;
  const dollars = (/** @type {number} */ value) => `$${value >= 1 ? value.toFixed(2) : Number(value.toPrecision(3))}`;

  /** @type {LiveEvent | null} */
  let last = null;

  function draw() {
    if (!last) return;
    bars("context", last.context_tokens ?? [], "var(--c6)", "Tokens of each prompt", tokens);
    bars("cost", last.turn_usd ?? [], "var(--money)", "Dollars of each turn", dollars);
  }

  const events = new EventSource("events");
  events.onopen = () => (byId("state").textContent = "following");
  events.onerror = () => (byId("state").textContent = "no longer followed");
  events.onmessage = (message) => {
    const event = /** @type {LiveEvent} */ (JSON.parse(message.data));
    last = event;
    if (byId("headline").textContent !== event.headline) byId("headline").textContent = event.headline;
    byId("source").textContent = event.source ?? "";
    byId("problem").textContent = event.problem ?? "";
    byId("problem").hidden = !event.problem;
    byId("compute").textContent = event.compute ?? "";
    fillFigures(event.figures ?? []);
    fill("heads", "rows", event.columns ?? [], event.rows);
    fill("block-heads", "blocks", event.block_columns ?? [], event.blocks ?? []);
    byId("of-blocks").hidden = !event.blocks?.length;
    draw();
    document.documentElement.setAttribute("data-drawn", "all");
  };
  addEventListener("resize", draw);
})();
