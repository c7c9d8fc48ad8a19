// The context of one turn as a treemap: what the window is full of.
// @ts-check
"use strict";

const BOXES = 160;

/** @param {HTMLElement} root */
function treemapView(root) {
  const head = el("p", { class: "soft" });
  const picture = el("div", { class: "picture" });
  refill(root, head, picture);
  onSelection(draw);

  /** The blocks of a turn's prompt and their tokens. @param {number} turn */
  function contents(turn) {
    const found = /** @type {Map<number, number>} */ (new Map());
    const add = (/** @type {number} */ block, /** @type {number} */ tokens) => found.set(block, (found.get(block) ?? 0) + tokens);
    const row = data.prompts.rows[data.prompts.row[turn]];
    for (let at = 0; row && at < data.prompts.length[turn]; at++) add(row.block[at], row.tokens[at]);
    const beside = data.prompts.beside[turn];
    if (beside) beside.block.forEach((block, at) => add(block, beside.tokens[at]));
    return found;
  }

  /** What is left out, by tool or kind. @param {[number, number][]} left */
  function restBySource(left) {
    const sums = /** @type {Map<string, { blocks: number, tokens: number }>} */ (new Map());
    for (const [block, tokens] of left) {
      const source = block < 0 ? "everything else" : data.blocks.sources[data.blocks.source[block]];
      const sum = sums.get(source) ?? { blocks: 0, tokens: 0 };
      sums.set(source, { blocks: sum.blocks + 1, tokens: sum.tokens + tokens });
    }
    return sums;
  }

  /** A block's name where its tool stands above it. @param {number} block @param {string} source */
  function nameWithin(block, source) {
    const kind = data.blocks.kinds[data.blocks.kind[block]], name = data.blocks.names[data.blocks.name[block]];
    return name === source || name === `${kind} ${source}` ? kind.replace(/^tool /, "") : blockName(block);
  }

  function draw() {
    const turn = selection.turn;
    if (turn === null) return refill(head, "Select a turn to see what its context held.");
    const width = widthOf(picture), height = width < 500 ? 420 : 360;
    const found = [...contents(turn)].filter(([, tokens]) => tokens > 0).sort((a, b) => b[1] - a[1]);
    const total = found.reduce((sum, [, tokens]) => sum + tokens, 0);
    const shown = found.slice(0, BOXES), rest = restBySource(found.slice(BOXES));
    refill(head, `Turn ${turn}${turn === data.prompts.fullest_turn ? ", the fullest" : ""}: ${count(total)} tokens in ${count(found.length)} blocks${found.some(([block]) => block < 0) ? " and others that are not listed" : ""}`);
    /** @typedef {{ id: string, parent: string, tokens: number, name: string, source: string }} Box */
    /** @type {Box[]} */
    const boxes = [{ id: "all", parent: "", tokens: 0, name: "", source: "" }];
    const sources = new Set();
    const place = (/** @type {string} */ source) => {
      if (!sources.has(source)) boxes.push({ id: `s:${source}`, parent: "all", tokens: 0, name: source, source });
      sources.add(source);
    };
    for (const [block, tokens] of shown) {
      const source = block < 0 ? "everything else" : data.blocks.sources[data.blocks.source[block]];
      place(source);
      boxes.push({ id: `b:${block}:${source}`, parent: `s:${source}`, tokens, name: block < 0 ? "blocks not listed" : nameWithin(block, source), source });
    }
    for (const [source, { blocks, tokens }] of rest) {
      place(source);
      boxes.push({ id: `rest:${source}`, parent: `s:${source}`, tokens, name: `${count(blocks)} smaller ${blocks === 1 ? "block" : "blocks"}`, source });
    }
    const svg = svgEl("svg", { width, height, role: "img", "aria-label": `What the context of turn ${turn} held: ${[...sources].slice(0, 5).join(", ")}` });
    if (total) {
      const tree = d3.stratify().id((each) => /** @type {Box} */ (each).id).parentId((each) => /** @type {Box} */ (each).parent)(boxes)
        .sum((each) => /** @type {Box} */ (each).tokens).sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
      const laid = /** @type {any} */ (d3.treemap().size([width, height]).paddingInner(1.5).paddingTop((node) => (node.depth === 1 ? 17 : 0)).round(true)(tree));
      for (const node of laid.descendants()) {
        const box = /** @type {Box} */ (node.data), wide = node.x1 - node.x0, high = node.y1 - node.y0;
        if (node.depth === 0 || wide < 1 || high < 1) continue;
        const group = svgEl("g", { class: "box", "data-source": box.source, transform: `translate(${node.x0},${node.y0})`, click: () => toggleSource(box.source) },
          svgEl("title", {}, `${box.name}: ${count(node.value)} tokens, ${percent((node.value ?? 0) / total)}`));
        if (node.depth === 1) {
          group.append(svgEl("text", { x: 2, y: 12, class: "note strong" }, fitting(`${box.name} ${percent((node.value ?? 0) / total)}`, wide - 8, 550)));
        } else {
          group.append(svgEl("rect", { width: wide, height: high, rx: 2, fill: colourOf(box.source) }));
          if (high > 16) group.append(svgEl("text", { x: 5, y: 13, class: "on-colour" }, fitting(box.name, wide - 8)));
          if (high > 32) group.append(svgEl("text", { x: 5, y: 27, class: "on-colour faint" }, wide > 36 ? short(node.value) : ""));
        }
        svg.append(group);
      }
    }
    refill(picture, svg);
    for (const box of svg.querySelectorAll(".box")) {
      box.classList.toggle("dim", selection.source !== null && box.getAttribute("data-source") !== selection.source);
    }
  }
  return draw;
}
