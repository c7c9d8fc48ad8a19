// Where the billed dollar goes, from the chips up, and what companies' accounts say of the margin.
// @ts-check
"use strict";

/** @param {HTMLElement} root */
function dollarView(root) {
  const steps = el("div", { class: "picture" }), margins = el("div", { class: "picture" });
  const map = data.dollar;
  if (!map) {
    refill(root, el("p", { class: "soft" }, "No turn has both a bill and an estimate of its compute, so no dollar can be followed."));
    return () => {};
  }
  refill(root,
    el("h3", {}, `From the chips up: ${map.paid} paid`), steps,
    el("h3", {}, "From the accounts: margin on inference"), margins);

  return function draw() {
    const colours = ["var(--c3)", "var(--c0)", "var(--c4)", "var(--c7)", "var(--c5)", "var(--c11)", "var(--c1)"];
    refill(steps, ranges(widthOf(steps), map.steps.map((step, at) => ({
      name: step.name, low: step.low_usd, mid: step.mid_usd, high: step.high_usd, colour: colours[at % colours.length],
      text: `${usd(step.mid_usd)} · ${percent(step.mid_share)}`, title: `${step.name}: ${usd(step.low_usd)} to ${usd(step.high_usd)}. ${step.source}`,
    })), usd, "Where the billed dollar goes"));
    refill(margins, ranges(widthOf(margins), map.margins.map((margin) => ({
      name: margin.name, low: margin.low, mid: margin.mid, high: margin.high, colour: margin.is_published ? "var(--n1)" : "var(--c6)",
      text: margin.low === margin.high ? percent(margin.low) : `${percent(margin.low)} to ${percent(margin.high)}`, title: `${margin.name}. ${margin.source}`,
    })), percent, "Margins on inference"));
  };
}

/**
 * Rows of a bar and its interval.
 * @param {number} width
 * @param {{ name: string, low: number, mid: number | null, high: number, colour: string, text: string, title: string }[]} rows
 * @param {(value: number) => string} write
 * @param {string} label
 */
function ranges(width, rows, write, label) {
  const high = 44, left = 8, right = 8;
  const x = d3.scaleLinear([Math.min(0, d3.min(rows, (row) => row.low) ?? 0), Math.max(0, d3.max(rows, (row) => row.high) ?? 1)], [left, width - right]).nice();
  const svg = svgEl("svg", { width, height: rows.length * high + 26, role: "img", "aria-label": `${label}: ${rows.map((row) => `${row.name} ${row.text}`).join("; ")}` });
  svg.append(svgEl("line", { x1: x(0), x2: x(0), y1: 0, y2: rows.length * high, class: "zero" }));
  rows.forEach((row, at) => {
    const y = at * high;
    const group = svgEl("g", {}, svgEl("title", {}, row.title));
    group.append(svgEl("text", { x: left, y: y + 13, class: "note strong" }, fitting(row.name, width - 150)));
    group.append(svgEl("text", { x: width - right, y: y + 13, class: "note end" }, row.text));
    if (row.mid !== null) {
      group.append(svgEl("rect", { x: Math.min(x(0), x(row.mid)), y: y + 19, width: Math.max(1, Math.abs(x(row.mid) - x(0))), height: 14, rx: 2, fill: row.colour }));
      group.append(svgEl("path", { d: `M${x(row.low)},${y + 21}v10M${x(row.low)},${y + 26}H${x(row.high)}M${x(row.high)},${y + 21}v10`, class: "interval" }));
    } else {
      group.append(svgEl("rect", { x: x(row.low), y: y + 21, width: Math.max(3, x(row.high) - x(row.low)), height: 10, rx: 5, fill: row.colour }));
    }
    svg.append(group);
  });
  d3.select(svg).append("g").attr("class", "axis").attr("transform", `translate(0,${rows.length * high + 4})`).call(d3.axisBottom(x).ticks(width / 110).tickFormat((value) => write(Number(value))));
  return svg;
}
