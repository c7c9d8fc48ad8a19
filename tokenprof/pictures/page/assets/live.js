// The live page: shows what the server sends, and computes nothing.
// @ts-check
"use strict";
(() => {
  /** @typedef {{ source?: string, headline: string, problem: string | null, columns?: string[], rows: string[][], compute?: string, block_columns?: string[], blocks?: string[][], context_tokens?: number[], turn_usd?: number[] }} LiveEvent */

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

  /** @param {Element} root @param {number[]} values @param {string} colour @param {string} label */
  function bars(root, values, colour, label) {
    const shown = values.slice(-400), width = root.clientWidth || 600, height = 90, top = Math.max(...shown, 1e-12);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const step = width / Math.max(shown.length, 40);
    for (const [name, value] of [["width", width], ["height", height], ["role", "img"], ["aria-label", label]]) svg.setAttribute(String(name), String(value));
    shown.forEach((value, at) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect"), high = (height * value) / top;
      for (const [name, size] of [["x", at * step], ["y", height - high], ["width", Math.max(1, step - 1)], ["height", high]]) bar.setAttribute(String(name), String(size));
      bar.style.fill = colour;
      svg.append(bar);
    });
    root.replaceChildren(svg);
  }

  const events = new EventSource("events");
  events.onmessage = (message) => {
    /** @type {LiveEvent} */
    const event = JSON.parse(message.data);
    if (byId("headline").textContent !== event.headline) byId("headline").textContent = event.headline;
    byId("source").textContent = event.source ?? "";
    byId("problem").textContent = event.problem ?? "";
    byId("problem").hidden = !event.problem;
    byId("compute").textContent = event.compute ?? "";
    fill("heads", "rows", event.columns ?? [], event.rows);
    fill("block-heads", "blocks", event.block_columns ?? [], event.blocks ?? []);
    byId("of-blocks").hidden = !event.blocks?.length;
    bars(byId("context"), event.context_tokens ?? [], "var(--c6)", "tokens of each prompt");
    bars(byId("cost"), event.turn_usd ?? [], "var(--money)", "dollars of each turn");
    document.documentElement.setAttribute("data-drawn", "all");
  };
})();
