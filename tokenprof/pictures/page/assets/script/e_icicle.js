// The run as an icicle: agent, tool or kind, call, block; as wide as the dollars, tokens, compute or waste.
// @ts-check
"use strict";

const ROW = 30;
const NARROWEST = 1.6;
const MEASURES = /** @type {const} */ ({
  billed_usd: "billed dollars", tokens: "billed tokens", compute_usd: "compute dollars", needless_usd: "billed needlessly",
});

/** @typedef {{ at: number, parent: number, children: number[], x0: number, x1: number, depth: number }} TreeNode */

/** @param {string} title */
function shortTitle(title) {
  return title.length > 24 ? `${title.slice(0, 22)}…` : title;
}

/** @param {HTMLElement} root */
function icicleView(root) {
  const tree = data.tree;
  /** @type {TreeNode[]} */
  const nodes = tree.parent.map((parent, at) => ({ at, parent, children: [], x0: 0, x1: 0, depth: 0 }));
  for (const node of nodes) {
    if (node.parent >= 0) {
      nodes[node.parent].children.push(node.at);
      node.depth = nodes[node.parent].depth + 1;
    }
  }
  const deepest = d3.max(nodes, (node) => node.depth) ?? 0;
  let measure = /** @type {keyof typeof MEASURES} */ ("billed_usd");
  let isCompared = false;
  const against = data.against;
  const values = [...Object.keys(MEASURES), ...(against ? ["against"] : [])], labels = [...Object.values(MEASURES), ...(against ? [`change against ${shortTitle(against.title)}`] : [])];
  let zoom = 0, current = 0;
  const controls = el("div", { class: "controls" }, switcher("As wide as", "icicle-by", values, labels, measure, (value) => {
    isCompared = value === "against";
    if (!isCompared) measure = /** @type {keyof typeof MEASURES} */ (value);
    draw();
  }));
  const picture = el("div", { class: "picture" });
  const words = el("p", { class: "words", "aria-live": "polite" });
  const folded = data.blocks.left_out ? `${count(data.blocks.left_out)} blocks with small bills are not listed one by one; their tools and kinds hold them in their sums.` : "";
  refill(root, controls, picture, words, folded ? el("p", { class: "soft" }, folded) : "");

  /** @param {number} at */
  const value = (at) => Number(tree[measure][at]);
  /** @param {number} at */
  const written = (at) => (measure === "tokens" ? `${count(value(at))} tokens` : usd(value(at)));

  /** @param {number} at */
  function path(at) {
    const names = [];
    for (let node = at; node >= 0; node = tree.parent[node]) names.unshift(tree.name[node]);
    return names.join(" › ");
  }

  /** @param {number} at */
  function describe(at) {
    words.textContent = `${path(at)}: ${written(at)}, ${percent(value(at) / (value(0) || 1))} of the run`;
  }

  /** The tool or kind that a node is or belongs to. @param {number} at */
  function sourceOf(at) {
    let node = at;
    while (nodes[node].depth > 2) node = tree.parent[node];
    return nodes[node].depth === 2 ? tree.name[node] : null;
  }

  /** A node's name where its tool stands above it. @param {number} at @param {string | null} source */
  function shownName(at, source) {
    const name = tree.name[at];
    if (nodes[at].depth < 3) return name;
    return name.startsWith("tool ") && name.endsWith(` ${source}`) ? name.slice(5, -1 - (source ?? "").length) : name.replace(/^call of turn/, "turn");
  }

  /** @param {number} at */
  function choose(at) {
    current = at;
    zoom = nodes[at].children.length ? at : tree.parent[at];
    const block = tree.block[at];
    const born = block < 0 ? -1 : data.blocks.number.indexOf(block);
    select({ source: sourceOf(at), ...(born >= 0 && data.blocks.born_turn[born] !== null ? { turn: data.blocks.born_turn[born] } : {}) });
    draw();
  }

  function layOut() {
    const top = nodes[zoom];
    const ancestors = new Set();
    for (let at = zoom; at >= 0; at = tree.parent[at]) ancestors.add(at);
    for (const node of nodes) {
      node.x0 = node.x1 = -1;
      if (ancestors.has(node.at)) [node.x0, node.x1] = [0, 1];
    }
    const waiting = [top];
    while (waiting.length) {
      const node = /** @type {TreeNode} */ (waiting.pop());
      const whole = d3.max([value(node.at), node.children.reduce((sum, at) => sum + value(at), 0)]) || 1;
      let x = node.x0;
      for (const at of [...node.children].sort((a, b) => value(b) - value(a))) {
        const child = nodes[at];
        child.x0 = x;
        child.x1 = x += ((node.x1 - node.x0) * value(at)) / whole;
        waiting.push(child);
      }
    }
  }

  function drawChanges() {
    if (!against) return;
    const say = (/** @type {string} */ said) => (words.textContent = said);
    refill(picture, changesPicture(widthOf(picture), against.tree, say, toggleSource));
    say("As wide as the larger of both bills. Red was billed more in this run, green less; the darker, the larger its part of the change.");
  }

  function draw() {
    if (isCompared) return drawChanges();
    layOut();
    const width = widthOf(picture);
    const svg = svgEl("svg", {
      width, height: (deepest + 1) * ROW, role: "application", tabindex: 0, class: "icicle",
      "aria-label": "Where it went. Arrow keys move between boxes, Enter zooms in, Escape zooms out.", keydown: keys,
    });
    /** The places of boxes that are too narrow, as one for each parent. @type {Map<number, [number, number]>} */
    const thin = new Map();
    const narrow = (/** @type {TreeNode} */ node, /** @type {number} */ left, /** @type {number} */ right) => {
      if (right <= left || node.parent < 0) return;
      const [from, to] = thin.get(node.parent) ?? [left, right];
      thin.set(node.parent, [Math.min(from, left), Math.max(to, right)]);
    };
    for (const node of [...nodes].sort((a, b) => a.depth - b.depth || a.x0 - b.x0)) {
      const left = node.x0 * width, right = node.x1 * width;
      if (node.x0 < 0) continue;
      if (right - left < NARROWEST) {
        narrow(node, left, right);
        continue;
      }
      const source = sourceOf(node.at);
      const fill = node.depth === 0 ? "var(--box-run)" : node.depth === 1 ? "var(--box-agent)" : colourOf(source ?? "");
      const box = svgEl("g", { class: "box", "data-node": node.at, transform: `translate(${left.toFixed(1)},${node.depth * ROW})`, click: () => choose(node.at) },
        svgEl("title", {}, `${path(node.at)}: ${written(node.at)}`),
        svgEl("rect", { width: Math.max(0.5, right - left - 1).toFixed(1), height: ROW - 2, rx: 2, fill, "fill-opacity": node.depth > 2 ? 1 - 0.12 * (node.depth - 2) : 1 }));
      const text = fitting(`${shownName(node.at, source)}  ${written(node.at)}`, right - left - 12);
      if (text) box.append(svgEl("text", { x: 6, y: ROW / 2 + 3, class: node.depth < 2 ? "on-plain" : "on-colour" }, text));
      svg.append(box);
    }
    if (!value(0)) svg.append(svgEl("text", { x: 10, y: 3 * ROW, class: "note" }, measure === "needless_usd" ? "No finding says that a block was billed needlessly." : "Nothing is known."));
    for (const [parent, [left, right]] of thin) {
      const fill = nodes[parent].depth === 0 ? "var(--box-agent)" : nodes[parent].depth === 1 ? "var(--n3)" : colourOf(sourceOf(parent) ?? "");
      svg.prepend(svgEl("rect", { x: left.toFixed(1), y: (nodes[parent].depth + 1) * ROW, width: Math.max(0.5, right - left - 1).toFixed(1), height: ROW - 2, rx: 2, fill, "fill-opacity": 0.45 },
        svgEl("title", {}, `${path(parent)}: many small ones`)));
    }
    const hadFocus = picture.contains(document.activeElement);
    refill(picture, svg);
    if (hadFocus) svg.focus();
    mark();
  }

  function mark() {
    if (isCompared) return;
    for (const box of picture.querySelectorAll(".box")) {
      const at = Number(box.getAttribute("data-node"));
      box.classList.toggle("current", at === current);
      box.classList.toggle("dim", selection.source !== null && nodes[at].depth >= 2 && sourceOf(at) !== selection.source);
    }
    describe(current);
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    const drawn = (/** @type {number} */ at) => nodes[at].x1 - nodes[at].x0 > 0;
    const siblings = current ? nodes[tree.parent[current]].children.filter(drawn).sort((a, b) => nodes[a].x0 - nodes[b].x0) : [0];
    const place = siblings.indexOf(current);
    const next = /** @type {Record<string, number | undefined>} */ ({
      ArrowLeft: siblings[place - 1], ArrowRight: siblings[place + 1], ArrowUp: tree.parent[current],
      ArrowDown: nodes[current].children.filter(drawn).sort((a, b) => value(b) - value(a))[0],
    });
    if (event.key === "Enter" || event.key === " ") choose(current);
    else if (event.key === "Escape") {
      [zoom, current] = [0, 0];
      select({ source: null });
      draw();
    } else if (event.key in next) {
      const target = next[event.key];
      if (target !== undefined && target >= 0) current = target;
      mark();
    } else return;
    event.preventDefault();
  }
  onSelection(mark);
  return draw;
}
