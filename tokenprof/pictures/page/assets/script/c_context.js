// The context over turns: stacked in prompt order, with misses, compactions and the bill of each turn below.
// @ts-check
"use strict";

/** @param {HTMLElement} root */
function contextView(root) {
  let by = /** @type {"kind" | "tool" | "block" | "state"} */ ("kind");
  const controls = el("div", { class: "controls" });
  const picture = el("div", { class: "picture" });
  const legend = el("div", { class: "legend", role: "group", "aria-label": "Select a kind or tool" });
  refill(root, controls, picture, legend);
  controls.append(
    switcher("Divide by", "context-by", ["kind", "tool", "block", "state"], ["kind", "tool", "block", "cache state"], by, (value) => {
      by = /** @type {any} */ (value);
      draw();
    }),
  );

  function bands() {
    if (by !== "state") {
      const found = data.context[by];
      const tokens = found.names.map((_, band) =>
        d3.range(turnCount).map((turn) => found.tokens.reduce((sum, state) => sum + state[band][turn], 0)),
      );
      const sources = by === "block" ? found.kinds : found.names;
      return found.names.map((name, at) => ({
        name, source: sources[at], tokens: tokens[at], colour: colourOf(sources[at]),
      }));
    }
    const columns = [data.turns.read_tokens, data.turns.written_tokens, data.turns.fresh_tokens];
    return data.cache_states.map((name, at) => ({
      name, source: name, tokens: columns[at].map((tokens) => tokens ?? 0), colour: STATE_COLOURS[at],
    }));
  }

  function draw() {
    const width = widthOf(picture), height = 300, costHeight = 76;
    const margin = { left: 52, right: 10, top: 26, bottom: 22 };
    const drawn = bands();
    const tops = d3.range(turnCount).map((turn) => drawn.reduce((sum, band) => sum + band.tokens[turn], 0));
    const x = d3.scaleLinear([-0.5, turnCount - 0.5], [margin.left, width - margin.right]);
    const y = d3.scaleLinear([0, (d3.max(tops) || 1) * 1.02], [height, margin.top]);
    const costs = data.turns.billed_usd.map((cost) => cost ?? 0);
    const costTop = height + 30;
    const yCost = d3.scaleLinear([0, d3.max(costs) || 1], [costTop + costHeight, costTop]);
    const svg = svgEl("svg", {
      width, height: costTop + costHeight + margin.bottom, role: "slider", tabindex: 0,
      "aria-label": "Context over turns. Arrow keys move the turn, with Shift they select turns.",
      "aria-valuemin": 0, "aria-valuemax": Math.max(0, turnCount - 1), "aria-valuenow": selection.turn ?? 0,
      keydown: turnKeys,
    });
    const chart = d3.select(svg);
    const below = new Float64Array(turnCount);
    for (const band of drawn) {
      const floor = Float64Array.from(below);
      band.tokens.forEach((tokens, turn) => (below[turn] += tokens));
      const shape = stepArea(x, y, floor, below);
      const path = svgEl("path", { d: shape, fill: band.colour, class: "band", "data-source": band.source }, svgEl("title", {}, band.name));
      svg.append(path);
    }
    if (by !== "state") {
      const line = stepLine(x, y, data.turns.read_tokens);
      svg.append(svgEl("path", { d: line, class: "read-line halo" }), svgEl("path", { d: line, class: "read-line" }));
    }
    costs.forEach((cost, turn) => {
      if (!cost) return;
      svg.append(svgEl("rect", {
        x: x(turn - 0.5), width: Math.max(0.6, x(turn + 0.5) - x(turn - 0.5) - (turnCount < 300 ? 1 : 0)),
        y: yCost(cost), height: costTop + costHeight - yCost(cost), class: "cost", "data-turn": turn,
      }));
    });
    chart.append("g").attr("class", "axis").attr("transform", `translate(${margin.left},0)`)
      .call(d3.axisLeft(y).ticks(5).tickFormat((value) => short(Number(value))));
    chart.append("g").attr("class", "axis").attr("transform", `translate(${margin.left},0)`)
      .call(d3.axisLeft(yCost).ticks(2).tickFormat((value) => usd(Number(value))));
    chart.append("g").attr("class", "axis").attr("transform", `translate(0,${costTop + costHeight})`)
      .call(d3.axisBottom(x).ticks(Math.min(turnCount, width / 90)).tickFormat((value) => (Number.isInteger(Number(value)) ? String(value) : "")));
    svg.append(svgEl("text", { x: margin.left, y: 12, class: "note" }, "tokens of the prompt"));
    svg.append(svgEl("text", { x: margin.left, y: costTop - 8, class: "note" }, "billed per turn"));
    svg.append(svgEl("text", { x: margin.left - 9, y: costTop + costHeight + 16, class: "note end" }, "turn"));
    for (const turn of data.cache.compactions) {
      svg.append(svgEl("line", { x1: x(turn - 0.5), x2: x(turn - 0.5), y1: margin.top - 6, y2: height, class: "compaction" }));
      svg.append(svgEl("path", { d: `M${x(turn - 0.5)},${margin.top - 16}l5,5l-5,5l-5,-5z`, class: "compaction-mark" },
        svgEl("title", {}, `Turn ${turn}: the context was compacted`)));
    }
    for (const miss of data.cache.misses) {
      svg.append(svgEl("path", { d: `M${x(miss.turn)},${margin.top - 5}l-5,-9h10z`, class: "miss-mark", "data-turn": miss.turn },
        svgEl("title", {}, missSentence(miss))));
    }
    const focus = svgEl("line", { y1: margin.top, y2: costTop + costHeight, class: "focus-line" });
    svg.append(focus);
    const brush = d3.brushX().extent([[margin.left, margin.top], [width - margin.right, costTop + costHeight]])
      .on("end", (event) => {
        if (!event.sourceEvent) return;
        const at = event.selection;
        if (!at) {
          const [place] = pointer(event.sourceEvent, svg);
          select({ turns: null, turn: movedTurn(Math.round(x.invert(place)), 0) });
        } else {
          const low = movedTurn(Math.round(x.invert(at[0])), 0), high = movedTurn(Math.round(x.invert(at[1])), 0);
          select({ turns: [low, high] });
        }
      });
    const layer = chart.append("g").attr("class", "brush").call(/** @type {any} */ (brush));
    refill(picture, svg);
    refill(legend, ...drawn.map((band) => legendButton(band)));
    if (by !== "state") legend.append(key("var(--read-line)", "read from the cache up to here", "line"));
    if (data.cache.misses.length) legend.append(key("var(--miss)", "cache missed", "▼"));
    if (data.cache.compactions.length) legend.append(key("var(--ink)", "context compacted", "◆"));
    hintsOf.set(svg, (event) => {
      const turn = Math.round(x.invert(pointer(event, svg)[0]));
      return turn < 0 || turn >= turnCount ? "" : contextHint(turn, drawn);
    });
    update = () => {
      focus.style.display = selection.turn === null ? "none" : "";
      focus.setAttribute("x1", x(selection.turn ?? 0));
      focus.setAttribute("x2", x(selection.turn ?? 0));
      svg.setAttribute("aria-valuenow", String(selection.turn ?? 0));
      svg.setAttribute("aria-valuetext", selection.turn === null ? "no turn" : turnSentence(selection.turn));
      for (const path of svg.querySelectorAll(".band")) {
        path.classList.toggle("dim", selection.source !== null && path.getAttribute("data-source") !== selection.source && sourceIsDrawn(drawn));
      }
      for (const button of legend.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(button.getAttribute("data-source") === selection.source));
      }
      const span = selection.turns;
      /** @type {any} */ (layer).call(brush.move, span === null ? null : [x(span[0] - 0.5), x(span[1] + 0.5)]);
    };
    update();
  }

  /** @param {{ source: string }[]} drawn */
  function sourceIsDrawn(drawn) {
    return drawn.some((band) => band.source === selection.source);
  }
  let update = () => {};
  onSelection(() => update());
  return draw;
}

const BANDS_SAID = 4;

/** What a turn's prompt held, the largest bands first. @param {number} turn @param {{ name: string, tokens: number[] }[]} drawn */
function contextHint(turn, drawn) {
  const held = drawn.filter((band) => band.tokens[turn] > 0).sort((a, b) => b.tokens[turn] - a.tokens[turn]);
  const lines = held.slice(0, BANDS_SAID).map((band) => `${band.name}  ${short(band.tokens[turn])}`);
  const misses = data.cache.misses.filter((miss) => miss.turn === turn).map((miss) => `cache missed: ${miss.cause_in_words}${miss.usd === null ? "" : `, ${usd(miss.usd)}`}`);
  return [turnSentence(turn), ...lines, ...(held.length > BANDS_SAID ? [`and ${held.length - BANDS_SAID} more`] : []), ...misses].join("\n");
}

/** @param {{ name: string, source: string, colour: string }} band */
function legendButton(band) {
  return el("button", { type: "button", class: "key", "data-source": band.source, "aria-pressed": "false", click: () => toggleSource(band.source) },
    el("span", { class: "swatch", fill: band.colour, "aria-hidden": "true" }), band.name);
}

/** @param {MissMark} miss */
function missSentence(miss) {
  const cost = miss.usd === null ? "" : `, ${usd(miss.usd)} more than a read`;
  const block = miss.block ? `, first at ${miss.block}` : "";
  return `Turn ${miss.turn}: cache missed, ${miss.cause_in_words}${block}: ${count(miss.tokens)} tokens${cost}`;
}

/** @param {number} turn */
function turnSentence(turn) {
  const t = data.turns;
  const size = (t.read_tokens[turn] ?? 0) + (t.written_tokens[turn] ?? 0) + (t.fresh_tokens[turn] ?? 0);
  return `Turn ${turn}, ${count(size)} tokens, billed ${usd(t.billed_usd[turn])}`;
}
