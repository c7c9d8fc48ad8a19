// The page about many runs: the bill by day, and ranked by everything that totals can be by.
// @ts-check
"use strict";
(() => {
  /** @type {FleetData} */
  const fleet = JSON.parse(byId("data").textContent || "{}");
  const FIRST_ROWS = 10;

  function days() {
    const root = byId("days"), width = widthOf(root), height = 200, left = 60, count = fleet.days.length;
    if (!count) return refill(root, el("p", { class: "soft" }, "No call has a day."));
    const x = d3.scaleLinear([-0.5, count - 0.5], [left, width - 8]), y = d3.scaleLinear([0, d3.max(fleet.day_usd) || 1], [height - 22, 8]);
    const svg = svgEl("svg", { width, height, role: "img", "aria-label": `Billed on ${count} days, from ${fleet.days[0]} to ${fleet.days[count - 1]}` });
    fleet.day_usd.forEach((cost, at) => svg.append(svgEl("rect", { x: x(at - 0.5), width: Math.min(48, Math.max(0.6, x(at + 0.5) - x(at - 0.5) - 1)), y: y(cost), height: y(0) - y(cost), class: "cost" },
      svgEl("title", {}, `${fleet.days[at]}: ${usd(cost)}`))));
    const chart = d3.select(svg);
    chart.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`).call(d3.axisLeft(y).ticks(4).tickFormat((value) => usd(Number(value))));
    chart.append("g").attr("class", "axis").attr("transform", `translate(0,${height - 22})`).call(d3.axisBottom(x).ticks(Math.min(count, width / 110)).tickFormat((value) => fleet.days[Number(value)] ?? ""));
    refill(root, svg);
  }

  function pace() {
    const found = fleet.pace;
    if (!found) return;
    refill(byId("pace"), el("dt", {}, `30 days like the last ${found.days}`), el("dd", {}, usd(found.mid_usd), el("small", {}, `${usd(found.low_usd)} to ${usd(found.high_usd)}, P10 to P90`)));
  }

  /** @param {FleetTable} table */
  function ranked(table) {
    const most = table.rows[0]?.billed_usd || 1;
    const line = (/** @type {FleetRow} */ row) => {
      const svg = svgEl("svg", { width: 90, height: 12, "aria-hidden": "true" }, svgEl("rect", { width: Math.max(1, (90 * row.billed_usd) / most), height: 12, rx: 2, fill: colourOf(row.name) }));
      return el("li", {}, el("span", { class: "grow" }, row.name), svg, el("span", { class: "number" }, `${row.is_lower_bound ? "≥" : ""}${usd(row.billed_usd)}`));
    };
    const rest = table.rows.slice(FIRST_ROWS), more = rest.length + table.left_out;
    return el("section", { "aria-label": `By ${table.dimension}` }, el("h2", {}, `By ${table.dimension}`),
      el("ol", { class: "misses causes" }, ...table.rows.slice(0, FIRST_ROWS).map(line)),
      rest.length ? el("details", {}, el("summary", {}, `${count(more)} more${table.left_out ? `, ${count(rest.length)} of them here` : ""}`), el("ol", { class: "misses causes" }, ...rest.map(line))) : "");
  }

  function all() {
    days();
    pace();
    refill(byId("tables"), ...fleet.tables.filter((table) => table.rows.length).map(ranked));
    document.documentElement.setAttribute("data-drawn", "all");
  }
  all();
  addEventListener("resize", days);
})();
