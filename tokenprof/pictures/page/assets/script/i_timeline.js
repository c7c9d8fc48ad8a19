// The run on a clock: calls per agent, the waits between them, and what lay in the cache meanwhile.
// @ts-check
"use strict";

/** @param {HTMLElement} root */
function timelineView(root) {
  const picture = el("div", { class: "picture" });
  refill(root, picture, el("div", { class: "legend" },
    key("var(--money)", "call"), key("var(--read)", "waiting, prompt still cached"), key("var(--miss)", "waiting, cache expired"),
    key("var(--kv)", "tokens held in the cache")));
  let update = () => {};
  onSelection(() => update());

  return function draw() {
    const t = data.turns, width = widthOf(picture), left = Math.max(92, Math.min(170, width * 0.14)), right = 10, lane = 46;
    const known = d3.range(turnCount).filter((turn) => t.start_s[turn] !== null);
    if (!known.length) return refill(picture, el("p", { class: "soft" }, "The recording has no times."));
    const end = d3.max(known, (turn) => /** @type {number} */ (t.start_s[turn]) + (t.duration_s[turn] ?? 0)) || 1;
    const x = d3.scaleLinear([0, end], [left, width - right]);
    const held = d3.scaleLinear([0, d3.max(data.cache.waits, (wait) => wait.held_tokens) || 1], [0, 26]);
    const lanes = t.agents.slice(0, 40);
    const svg = svgEl("svg", { width, height: lanes.length * lane + 28, role: "img", "aria-label": `Time line of ${count(turnCount)} calls by ${count(t.agents.length)} agents over ${duration(end)}` });
    lanes.forEach((agent, at) => {
      svg.append(svgEl("text", { x: 2, y: at * lane + 37, class: "note strong" }, fitting(agent, left - 8, 550), svgEl("title", {}, agent)));
      svg.append(svgEl("line", { x1: left, x2: width - right, y1: at * lane + 42, y2: at * lane + 42, class: "zero" }));
    });
    for (const wait of data.cache.waits) {
      const y = t.agent[wait.turn] * lane;
      if (t.agent[wait.turn] >= lanes.length) continue;
      const wide = x(wait.end_s) - x(wait.start_s);
      if (wide < 0.4) continue;
      const words = `${duration(wait.end_s - wait.start_s)} between turns ${wait.turn} and ${wait.next_turn}; ${count(wait.held_tokens)} tokens in the cache` +
        (wait.is_expired ? `; expired, which cost ${usd(wait.lost_usd)}` : "");
      const group = svgEl("g", { class: "wait", "data-turn": wait.next_turn, click: () => select({ turn: wait.next_turn }) }, svgEl("title", {}, words));
      const kept = wait.ttl_s === null ? wide : Math.min(wide, x(wait.start_s + wait.ttl_s) - x(wait.start_s));
      group.append(svgEl("rect", { x: x(wait.start_s), width: kept, y: y + 28 - held(wait.held_tokens), height: held(wait.held_tokens), fill: "var(--kv)" }));
      group.append(svgEl("rect", { x: x(wait.start_s), width: wide, y: y + 39, height: 3, fill: wait.is_expired ? "var(--miss)" : "var(--read)" }));
      if (wait.ttl_s !== null && kept < wide) group.append(svgEl("line", { x1: x(wait.start_s) + kept, x2: x(wait.start_s) + kept, y1: y, y2: y + 42, class: "expiry" }));
      svg.append(group);
    }
    for (const turn of known) {
      const agent = t.agent[turn], start = /** @type {number} */ (t.start_s[turn]);
      if (agent >= lanes.length) continue;
      svg.append(svgEl("rect", {
        x: x(start), width: Math.max(1.2, x(start + (t.duration_s[turn] ?? 0)) - x(start)), y: agent * lane + 29, height: 9, rx: 1,
        fill: "var(--money)", class: "call", "data-turn": turn, click: () => select({ turn }),
      }, svgEl("title", {}, turnSentence(turn))));
    }
    d3.select(svg).append("g").attr("class", "axis").attr("transform", `translate(0,${lanes.length * lane + 4})`).call(d3.axisBottom(x).tickValues(clockTicks(end, width / 90)).tickFormat((value) => clock(Number(value))));
    keepLabelsInside(svg, width);
    refill(picture, svg);
    update = () => {
      for (const call of svg.querySelectorAll(".call")) {
        const turn = Number(call.getAttribute("data-turn"));
        call.classList.toggle("dim", !isInRange(turn));
        call.classList.toggle("current", turn === selection.turn);
      }
    };
    update();
  };
}
