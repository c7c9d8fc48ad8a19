// What each turn was billed, against what it cost to compute: on a log scale, with the interval.
// @ts-check
"use strict";

/** @param {HTMLElement} root */
function billView(root) {
  const picture = el("div", { class: "picture" });
  refill(root, picture, el("div", { class: "legend" },
    key("var(--money)", "billed", "●"), key("var(--compute)", "compute, middle estimate", "line"), key("var(--compute-soft)", "compute, from low to high")));
  let update = () => {};
  onSelection(() => update());

  return function draw() {
    const t = data.turns, width = widthOf(picture), height = 260;
    const margin = { left: 64, right: 10, top: 10, bottom: 22 };
    const known = [...t.billed_usd, ...t.compute_low_usd, ...t.compute_high_usd].filter((value) => value !== null && value > 0);
    if (!known.length) return refill(picture, el("p", { class: "soft" }, "No turn has a bill or an estimate of its compute."));
    const [low, high] = /** @type {[number, number]} */ (d3.extent(/** @type {number[]} */ (known)));
    const x = d3.scaleLinear([-0.5, turnCount - 0.5], [margin.left, width - margin.right]);
    const y = d3.scaleLog([low / 1.3, high * 1.3], [height - margin.bottom, margin.top]);
    const svg = svgEl("svg", {
      width, height, role: "slider", tabindex: 0, keydown: turnKeys, "aria-valuemin": 0, "aria-valuemax": Math.max(0, turnCount - 1),
      "aria-valuenow": selection.turn ?? 0, "aria-label": "Billed and computed dollars per turn. Arrow keys move the turn.",
      click: (event) => {
        const turn = movedTurn(Math.round(x.invert(pointer(event, svg)[0])), 0);
        select({ turn });
      },
    });
    const rows = d3.range(turnCount).filter((turn) => (t.compute_low_usd[turn] ?? 0) > 0);
    const at = (/** @type {(number | null)[]} */ column, /** @type {number} */ turn) => y(/** @type {number} */ (column[turn]));
    svg.append(svgEl("path", { d: d3.area().x((turn) => x(Number(turn))).y0((turn) => at(t.compute_low_usd, Number(turn))).y1((turn) => at(t.compute_high_usd, Number(turn)))(/** @type {any} */ (rows)), fill: "var(--compute-soft)" }));
    svg.append(svgEl("path", { d: d3.line().x((turn) => x(Number(turn))).y((turn) => at(t.compute_mid_usd, Number(turn)))(/** @type {any} */ (rows)), class: "line", stroke: "var(--compute)" }));
    if (rows.length < 200) for (const turn of rows) svg.append(svgEl("line", { x1: x(turn), x2: x(turn), y1: at(t.compute_low_usd, turn), y2: at(t.compute_high_usd, turn), class: "whisker" }));
    for (let turn = 0; turn < turnCount; turn++) {
      const billed = t.billed_usd[turn];
      if (billed) svg.append(svgEl("circle", { cx: x(turn), cy: y(billed), r: turnCount > 600 ? 1.2 : 2.6, fill: "var(--money)", "data-turn": turn }));
    }
    const chart = d3.select(svg);
    const marked = high / low > 1000 ? /^1e/ : /^[15]e/;
    chart.append("g").attr("class", "axis").attr("transform", `translate(${margin.left},0)`).call(d3.axisLeft(y).tickValues(y.ticks().filter((value) => marked.test(value.toExponential()))).tickFormat((value) => usd(Number(value))));
    svg.append(svgEl("text", { x: margin.left - 9, y: height - margin.bottom + 16, class: "note end" }, "turn"));
    hintsOf.set(svg, (event) => billHint(movedTurn(Math.round(x.invert(pointer(event, svg)[0])), 0)));
    chart.append("g").attr("class", "axis").attr("transform", `translate(0,${height - margin.bottom})`).call(d3.axisBottom(x).ticks(Math.min(turnCount, width / 90)).tickFormat((value) => (Number.isInteger(Number(value)) ? String(value) : "")));
    const shade = svgEl("rect", { y: margin.top, height: height - margin.top - margin.bottom, class: "range" });
    const focus = svgEl("line", { y1: margin.top, y2: height - margin.bottom, class: "focus-line" });
    svg.prepend(shade);
    svg.append(focus);
    refill(picture, svg);
    update = () => {
      const span = selection.turns;
      shade.style.display = span ? "" : "none";
      if (span) {
        shade.setAttribute("x", x(span[0] - 0.5));
        shade.setAttribute("width", x(span[1] + 0.5) - x(span[0] - 0.5));
      }
      focus.style.display = selection.turn === null ? "none" : "";
      focus.setAttribute("x1", x(selection.turn ?? 0));
      focus.setAttribute("x2", x(selection.turn ?? 0));
      svg.setAttribute("aria-valuenow", String(selection.turn ?? 0));
      svg.setAttribute("aria-valuetext", selection.turn === null ? "no turn" : turnSentence(selection.turn));
    };
    update();
  };
}

/** @param {number} turn */
function billHint(turn) {
  const t = data.turns, mid = t.compute_mid_usd[turn], billed = t.billed_usd[turn];
  const compute = mid === null ? UNKNOWN : `${usd(mid)} (${usd(t.compute_low_usd[turn])} to ${usd(t.compute_high_usd[turn])})`;
  const times = mid && billed ? `\nbilled ${d3.format(".2~r")(billed / mid)} times the middle estimate` : "";
  return `Turn ${turn}\nbilled ${usd(billed)}\ncompute ${compute}${times}`;
}
