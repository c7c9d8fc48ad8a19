// One turn in words: what it held, what changed since the call before it, what it cost and why.
// @ts-check
"use strict";

const NEW_BLOCKS_SHOWN = 6;

/** @param {HTMLElement} root */
function turnView(root) {
  onSelection(draw);

  function draw() {
    const turn = selection.turn;
    if (turn === null) {
      refill(root, el("p", { class: "soft" }, "Click a turn, or move through them with the arrow keys."));
      return;
    }
    const t = data.turns;
    const size = promptTokens(turn), before = callBefore(turn);
    const grown = before === null ? null : size - promptTokens(before);
    const facts = [
      ["agent", t.agents[t.agent[turn]]],
      ["model", t.models[t.model[turn]]],
      ["prompt", `${count(size)} tokens`],
      ["change", grown === null ? "first call of this agent" : `${grown < 0 ? "−" : "+"}${count(Math.abs(grown))} since turn ${before}`],
      ["cache", `${count(t.read_tokens[turn])} read, ${count(t.written_tokens[turn])} written, ${count(t.fresh_tokens[turn])} fresh`],
      ["output", `${count(t.output_tokens[turn])} tokens`],
      ["billed", usd(t.billed_usd[turn])],
      ["compute", t.compute_mid_usd[turn] === null ? UNKNOWN : `${usd(t.compute_mid_usd[turn])} (${usd(t.compute_low_usd[turn])} to ${usd(t.compute_high_usd[turn])})`],
      ["took", duration(t.duration_s[turn])],
    ];
    const miss = data.cache.misses.find((each) => each.turn === turn);
    const fresh = newBlocks(turn);
    refill(root,
      el("h3", {}, `Turn ${turn}`),
      el("dl", { class: "facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, String(name)), el("dd", {}, String(value))))),
      el("div", {},
        miss ? el("p", { class: "callout" }, missSentence(miss)) : "",
        data.cache.compactions.includes(turn) ? el("p", { class: "callout" }, "The context was compacted before this turn.") : "",
        el("h4", {}, fresh.length ? "New in this prompt" : "Nothing new in this prompt"),
        el("ol", { class: "new-blocks" }, ...fresh.slice(0, NEW_BLOCKS_SHOWN).map((at) => el("li", {},
          el("span", { class: "swatch", fill: colourOf(data.blocks.sources[data.blocks.source[at]]), "aria-hidden": "true" }),
          el("span", { class: "grow" }, blockName(at)),
          el("span", { class: "number" }, `${count(data.blocks.size_tokens[at])} tokens`)))),
        fresh.length > NEW_BLOCKS_SHOWN ? el("p", { class: "soft" }, `and ${fresh.length - NEW_BLOCKS_SHOWN} smaller ones`) : ""),
    );
  }
  return draw;
}

/** @param {number} turn */
function promptTokens(turn) {
  const t = data.turns;
  return (t.read_tokens[turn] ?? 0) + (t.written_tokens[turn] ?? 0) + (t.fresh_tokens[turn] ?? 0);
}

/** The call of the same agent before a turn. @param {number} turn @returns {number | null} */
function callBefore(turn) {
  for (let at = turn - 1; at >= 0; at--) if (data.turns.agent[at] === data.turns.agent[turn]) return at;
  return null;
}

/** The blocks that a prompt holds for the first time, the largest first. @param {number} turn */
function newBlocks(turn) {
  const found = [];
  for (let at = 0; at < data.blocks.born_turn.length; at++) {
    if (data.blocks.born_turn[at] === turn && data.blocks.kinds[data.blocks.kind[at]] !== "output") found.push(at);
  }
  return found.sort((a, b) => (data.blocks.size_tokens[b] ?? 0) - (data.blocks.size_tokens[a] ?? 0));
}

/** @param {number} at a block's place in the page's list */
function blockName(at) {
  const kind = data.blocks.kinds[data.blocks.kind[at]], name = data.blocks.names[data.blocks.name[at]];
  return name.includes(kind) ? name : `${kind} ${name}`;
}
