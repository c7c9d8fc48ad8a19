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
    const hadFocus = document.activeElement?.id === "turn-number";
    const fresh = newBlocks(turn);
    refill(root,
      el("div", { class: "turn-head" }, el("h3", {}, `Turn ${turn}`), turnInput(turn)),
      el("p", { class: "why" }, whySentence(turn)),
      el("dl", { class: "facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, String(name)), el("dd", {}, String(value))))),
      el("div", {},
        miss ? el("p", { class: "callout" }, missSentence(miss)) : "",
        data.cache.compactions.includes(turn) ? el("p", { class: "callout" }, "The context was compacted before this turn.") : "",
        el("h4", {}, fresh.length ? "New in this prompt" : "Nothing new in this prompt"),
        el("ol", { class: "new-blocks" }, ...fresh.slice(0, NEW_BLOCKS_SHOWN).map((at) => el("li", {},
          el("span", { class: "swatch", fill: colourOf(data.blocks.sources[data.blocks.source[at]]), "aria-hidden": "true" }),
          el("span", { class: "grow" }, blockName(at)),
          el("span", { class: "number" }, `${count(data.blocks.size_tokens[at])} tokens`)))),
        fresh.length > NEW_BLOCKS_SHOWN ? el("p", { class: "soft" }, `and ${count(fresh.length - NEW_BLOCKS_SHOWN)} smaller ones`) : ""),
    );
    if (hadFocus) byId("turn-number").focus();
  }
  return draw;
}

/** A box to go to a turn by its number. @param {number} turn */
function turnInput(turn) {
  const input = el("input", { id: "turn-number", type: "number", min: 0, max: turnCount - 1, value: turn, change: () => {
    const wanted = Math.round(Number(input.value));
    if (input.value !== "" && Number.isFinite(wanted)) select({ turn: movedTurn(wanted, 0) });
  } });
  return el("label", { class: "soft" }, "go to turn ", input);
}

const NOTABLE_TOKENS = 200;

/** What made a turn cost more or less than the call before it. @param {number} turn */
function whySentence(turn) {
  const t = data.turns, before = callBefore(turn), cost = t.billed_usd[turn];
  if (before === null) return "The first call of this agent: nothing of its prompt was billed to it before.";
  const costBefore = t.billed_usd[before];
  if (cost === null || !costBefore) return "";
  const times = cost / costBefore;
  const words = times >= 1.15 ? `Billed ${times.toFixed(1)} times the call before it (turn ${before})`
    : times <= 0.87 ? `Billed ${percent(1 - times)} less than the call before it (turn ${before})` : `Billed about as much as the call before it (turn ${before})`;
  const grown = (/** @type {(number | null)[]} */ column, /** @type {string} */ name) => {
    const now = column[turn] ?? 0, then = column[before] ?? 0;
    const isNotable = Math.abs(now - then) >= NOTABLE_TOKENS && (now >= 1.5 * then || then >= 1.5 * now) && (times < 0.87 || times >= 1.15);
    return isNotable ? [`${count(now)} tokens ${name} instead of ${count(then)}`] : [];
  };
  const causes = [...grown(t.written_tokens, "written to the cache"), ...grown(t.fresh_tokens, "fresh"), ...grown(t.read_tokens, "read from it"), ...grown(t.output_tokens, "of output")];
  return `${words}${causes.length ? `: ${causes.join(", ")}` : ""}.`;
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
  return name.includes(kind) || kind === "not placed" ? name : `${kind} ${name}`;
}
