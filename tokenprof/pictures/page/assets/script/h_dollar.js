// Where the billed dollar goes, from the chips up, and what companies' accounts say of the margin.
// @ts-check
"use strict";

/** @param {HTMLElement} root */
function dollarView(root) {
  const steps = el("div", { class: "picture" }), accounts = el("div", { class: "picture" });
  const margins = el("div", { class: "picture" }), bridge = el("div", { class: "picture" });
  const map = data.dollar;
  if (!map) {
    refill(root, el("p", { class: "soft" }, "No turn has both a bill and an estimate of its compute, so no dollar can be followed."));
    return () => {};
  }
  refill(root,
    el("div", { class: "pair" },
      el("div", {}, el("h3", {}, `From the chips up: ${map.paid} paid`), steps),
      map.by_accounts.length ? el("div", {}, el("h3", {}, "From the accounts"), accounts) : ""),
    map.bridge.length ? el("h3", {}, "From marginal cost to published accounts: cost per dollar of list price, log scale") : "", bridge,
    el("h3", {}, "Margins on inference"), margins);

  return function draw() {
    const colours = ["var(--c3)", "var(--c0)", "var(--c4)", "var(--c7)", "var(--c5)", "var(--c11)", "var(--c1)", "var(--c10)", "var(--c9)"];
    const both = [...map.steps, ...map.by_accounts], names = [...new Set(both.map((step) => step.name))];
    const span = /** @type {[number, number]} */ ([d3.min(both, (step) => step.low_usd) ?? 0, d3.max(both, (step) => step.high_usd) ?? 1]);
    const rows = (/** @type {DollarStep[]} */ own) => own.map((step) => ({
      name: step.name, low: step.low_usd, mid: step.mid_usd, high: step.high_usd, colour: colours[names.indexOf(step.name) % colours.length],
      text: `${usd(step.mid_usd)} · ${percent(step.mid_share)}`, title: `${step.name}: ${usd(step.low_usd)} to ${usd(step.high_usd)}. ${step.source}`,
    }));
    refill(steps, ranges(widthOf(steps), rows(map.steps), usd, "Where the billed dollar goes, from the chips up", span));
    if (map.by_accounts.length) refill(accounts, ranges(widthOf(accounts), rows(map.by_accounts), usd, "Where the billed dollar goes, by accounts", span));
    if (map.bridge.length) refill(bridge, bridgePicture(widthOf(bridge), map.bridge));
    refill(margins, ranges(widthOf(margins), map.margins.map((margin) => ({
      name: margin.name, low: margin.low, mid: margin.mid, high: margin.high, colour: margin.is_published ? "var(--n1)" : "var(--c6)",
      text: margin.low === margin.high ? percent(margin.low) : `${percent(margin.low)} to ${percent(margin.high)}`, title: `${margin.name}. ${margin.source}`,
    })), percent, "Margins on inference"));
  };
}

/** @param {number} width @param {BridgeLine[]} lines */
function bridgePicture(width, lines) {
  const high = 36, left = 0, right = 70;
  const levels = lines.flatMap((line) => [line.from_level, line.to_level]).filter((level) => level > 0);
  const [low, top] = /** @type {[number, number]} */ (d3.extent(levels));
  const x = d3.scaleLog([low / 1.4, top * 1.4], [left, width - right]);
  const svg = svgEl("svg", { width, height: lines.length * high + 24, role: "img", "aria-label": `Bridge: ${lines.map((line) => `${line.name} ${line.factor}`).join("; ")}` });
  lines.forEach((line, at) => {
    const y = at * high, from = x(line.from_level), to = x(line.to_level), isLevel = line.from_level === line.to_level;
    const fill = isLevel ? "var(--c0)" : line.to_level > line.from_level ? "var(--compute)" : "var(--money)";
    svg.append(svgEl("g", {}, svgEl("title", {}, `${line.name}: ${usd(line.to_level)} per list dollar. ${line.source}`),
      svgEl("text", { x: left, y: y + 12, class: "note strong" }, fitting(line.name, width - 120, 550)),
      svgEl("text", { x: width - 4, y: y + 12, class: "note end" }, isLevel ? usd(line.to_level) : line.factor),
      svgEl("rect", { x: isLevel ? from - 3 : Math.min(from, to), width: isLevel ? 6 : Math.max(1.5, Math.abs(to - from)), y: y + 17, height: 12, rx: 2, fill })));
  });
  const powers = x.ticks().filter((value) => /^1e/.test(value.toExponential()));
  d3.select(svg).append("g").attr("class", "axis").attr("transform", `translate(0,${lines.length * high})`).call(d3.axisBottom(x).tickValues(powers.length ? powers : x.ticks(3)).tickFormat((value) => usd(Number(value))));
  keepLabelsInside(svg, width);
  return svg;
}

/**
 * Rows of a bar and its interval.
 * @param {number} width
 * @param {{ name: string, low: number, mid: number | null, high: number, colour: string, text: string, title: string }[]} rows
 * @param {(value: number) => string} write
 * @param {string} label
 * @param {[number, number]} [span] what the axis holds, where two pictures share it
 */
function ranges(width, rows, write, label, span = [d3.min(rows, (row) => row.low) ?? 0, d3.max(rows, (row) => row.high) ?? 1]) {
  const high = 44, left = 0, right = 2;
  const x = d3.scaleLinear([Math.min(0, span[0]), Math.max(0, span[1])], [left, width - right]).nice();
  const svg = svgEl("svg", { width, height: rows.length * high + 26, role: "img", "aria-label": `${label}: ${rows.map((row) => `${row.name} ${row.text}`).join("; ")}` });
  svg.append(svgEl("line", { x1: x(0), x2: x(0), y1: 0, y2: rows.length * high, class: "zero" }));
  rows.forEach((row, at) => {
    const y = at * high;
    const group = svgEl("g", {}, svgEl("title", {}, row.title));
    group.append(svgEl("text", { x: left, y: y + 13, class: "note strong" }, fitting(row.name, width - 24 - 7 * row.text.length, 550)));
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
  keepLabelsInside(svg, width);
  return svg;
}
