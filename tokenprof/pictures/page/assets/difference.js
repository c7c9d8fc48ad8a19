// The page about two runs: causes, a tree with both bills, and both contexts on one scale.
// @ts-check
"use strict";
(() => {
  /** @type {DifferenceData} */
  const compared = JSON.parse(byId("data").textContent || "{}");

  const FIRST_CAUSES = 12;

  function causes() {
    const root = byId("causes"), width = widthOf(root), high = 44;
    const most = d3.max(compared.causes, (cause) => Math.abs(cause.usd)) || 1;
    const x = d3.scaleLinear([-most, most], [0, Math.min(300, width - 110)]);
    const line = (/** @type {CauseLine} */ cause) => {
      const svg = svgEl("svg", { class: "change-bar", width: x(most), height: 14, "aria-hidden": "true" },
        svgEl("rect", { x: Math.min(x(0), x(cause.usd)), width: Math.max(1, Math.abs(x(cause.usd) - x(0))), height: 14, rx: 2, fill: cause.usd > 0 ? "var(--miss)" : "var(--money)" }),
        svgEl("line", { x1: x(0), x2: x(0), y1: 0, y2: high, class: "zero" }));
      return el("li", {}, el("span", { class: "grow" }, cause.text), svg, el("strong", { class: `number ${cause.usd > 0 ? "more-usd" : "less-usd"}` }, cause.written));
    };
    const first = compared.causes.slice(0, FIRST_CAUSES), rest = compared.causes.slice(FIRST_CAUSES);
    refill(root, el("ol", { class: "misses causes" }, ...first.map(line)));
    if (rest.length) root.append(el("details", {}, el("summary", {}, `${rest.length} smaller causes`), el("ol", { class: "misses causes" }, ...rest.map(line))));
    if (!compared.causes.length) root.append(el("p", { class: "soft" }, "Nothing differs."));
  }

  function tree() {
    const root = byId("tree");
    refill(root, changesPicture(widthOf(root), compared.tree, (words) => (byId("words").textContent = words)));
  }

  /** @param {ContextBands} bands */
  function turnsOf(bands) {
    const states = bands.tokens;
    return bands.names.map((_, band) => states[0][band].map((_, turn) => states.reduce((sum, state) => sum + state[band][turn], 0)));
  }

  function contexts() {
    const before = turnsOf(compared.before.context), now = turnsOf(compared.now.context);
    const count = Math.max(before[0]?.length ?? 0, now[0]?.length ?? 0, 1);
    const tops = [before, now].flatMap((side) => (side[0] ?? []).map((_, turn) => side.reduce((sum, band) => sum + band[turn], 0)));
    const most = d3.max(tops) || 1;
    draw("context-before", compared.before.context, before, count, most);
    draw("context-now", compared.now.context, now, count, most);
    const names = [...new Set([...compared.before.context.names, ...compared.now.context.names])];
    refill(byId("legend"), ...names.map((name) => key(colourOf(name), name)));
  }

  /** @param {string} id @param {ContextBands} bands @param {number[][]} tokens @param {number} count @param {number} most */
  function draw(id, bands, tokens, count, most) {
    const root = byId(id), width = widthOf(root), height = 240, left = 46;
    const x = d3.scaleLinear([-0.5, count - 0.5], [left, width - 8]), y = d3.scaleLinear([0, most * 1.02], [height - 22, 8]);
    const svg = svgEl("svg", { width, height, role: "img", "aria-label": `Context over turns: ${bands.names.join(", ")}` });
    const floor = new Array(tokens[0]?.length ?? 0).fill(0);
    tokens.forEach((band, at) => {
      const top = band.map((size, turn) => floor[turn] + size);
      svg.append(svgEl("path", { d: stepArea(x, y, floor, top), fill: colourOf(bands.names[at]) }));
      top.forEach((size, turn) => (floor[turn] = size));
    });
    const chart = d3.select(svg);
    chart.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`).call(d3.axisLeft(y).ticks(4).tickFormat((value) => short(Number(value))));
    chart.append("g").attr("class", "axis").attr("transform", `translate(0,${height - 22})`).call(d3.axisBottom(x).ticks(Math.min(count, 6)).tickFormat((value) => (Number.isInteger(Number(value)) ? String(value) : "")));
    svg.append(svgEl("text", { x: left - 9, y: height - 6, class: "note end" }, "turn"));
    const drawn = bands.names.map((name, at) => ({ name, tokens: tokens[at] }));
    hintsOf.set(svg, (event) => {
      const turn = Math.round(x.invert(pointer(event, svg)[0]));
      const held = drawn.filter((band) => (band.tokens[turn] ?? 0) > 0).sort((a, b) => b.tokens[turn] - a.tokens[turn]);
      return held.length ? [`Turn ${turn}`, ...held.map((band) => `${band.name}  ${short(band.tokens[turn])}`)].join("\n") : "";
    });
    refill(root, svg);
  }

  function all() {
    causes();
    tree();
    contexts();
    document.documentElement.setAttribute("data-drawn", "all");
  }
  themeSwitch();
  showHints();
  all();
  addEventListener("resize", all);
})();
