// The page about many runs: the bill by day, and ranked by everything that totals can be by.
// @ts-check
"use strict";
(() => {
  /** @type {FleetData} */
  const fleet = JSON.parse(byId("data").textContent || "{}");
  const FIRST_ROWS = 10, DAY_LABEL = 96;

  function days() {
    const root = byId("days"), width = widthOf(root), height = 220, left = 60, past = fleet.days.length, trend = fleet.trend;
    if (!past) return refill(root, el("p", { class: "soft" }, "No call has a day."));
    const names = trend ? [...fleet.days, ...fleet.ahead_days] : fleet.days, count = names.length;
    const most = Math.max(d3.max(fleet.day_usd) || 1, trend ? d3.max(trend.day_high_usd) || 0 : 0);
    const x = d3.scaleLinear([-0.5, count - 0.5], [left, width - 8]), y = d3.scaleLinear([0, most], [height - 22, 8]);
    const ahead = trend ? `; the ${fleet.ahead_days.length} days ahead by the trend: ${usd(trend.next_usd[1])}` : "";
    const svg = svgEl("svg", { width, height, role: "img", "aria-label": `Billed on ${past} days, from ${fleet.days[0]} to ${fleet.days[past - 1]}${ahead}` });
    if (trend) {
      const none = trend.day_low_usd.map((_, day) => past + day);
      const band = `M${none.map((day, at) => `${x(day).toFixed(1)},${y(trend.day_high_usd[at]).toFixed(1)}`).join("L")}L${[...none].reverse().map((day) => `${x(day).toFixed(1)},${y(trend.day_low_usd[day - past]).toFixed(1)}`).join("L")}Z`;
      svg.append(svgEl("path", { d: band, fill: "var(--kv)", class: "ahead" }));
    }
    fleet.day_usd.forEach((cost, at) => svg.append(svgEl("rect", { x: x(at - 0.5), width: Math.min(48, Math.max(0.6, x(at + 0.5) - x(at - 0.5) - 1)), y: y(cost), height: y(0) - y(cost), class: "cost" })));
    if (trend) {
      const first = past - trend.line_usd.length;
      const line = (/** @type {number[]} */ values, /** @type {number} */ from) => `M${values.map((cost, at) => `${x(from + at).toFixed(1)},${y(Math.max(0, cost)).toFixed(1)}`).join("L")}`;
      svg.append(svgEl("path", { d: line(trend.line_usd, first), class: "line", stroke: "var(--ink)", "stroke-dasharray": "4 3" }));
      svg.append(svgEl("path", { d: line(trend.day_mid_usd, past), class: "line", stroke: "var(--read)" }));
    }
    const chart = d3.select(svg);
    chart.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`).call(d3.axisLeft(y).ticks(4).tickFormat((value) => usd(Number(value))));
    chart.append("g").attr("class", "axis").attr("transform", `translate(0,${height - 22})`).call(d3.axisBottom(x).tickValues(d3.range(0, count, Math.ceil((count * DAY_LABEL) / (width - left)))).tickFormat((value) => names[Number(value)] ?? ""));
    keepLabelsInside(svg, width);
    hintsOf.set(svg, (event) => {
      const day = Math.round(x.invert(pointer(event, svg)[0]));
      if (day < 0 || day >= count) return "";
      if (day < past) return `${names[day]}\n${usd(fleet.day_usd[day])}`;
      return trend ? `${names[day]}\n${usd(trend.day_low_usd[day - past])} to ${usd(trend.day_high_usd[day - past])}, P10 to P90` : "";
    });
    refill(root, svg);
    refill(byId("days-legend"), ...(trend ? [key("var(--money)", "billed"), key("var(--ink)", "trend", "line"), key("var(--kv)", "days ahead, P10 to P90")] : []));
  }

  function pace() {
    const found = fleet.pace, trend = fleet.trend;
    if (found) refill(byId("pace"), el("dt", {}, `30 days like the last ${found.days}`), el("dd", {}, usd(found.mid_usd), el("small", {}, `${usd(found.low_usd)} to ${usd(found.high_usd)}, P10 to P90`)));
    if (!trend) {
      refill(byId("days-lead"), fleet.days.length ? "A trend needs 14 days." : "");
      return;
    }
    refill(byId("ahead"), el("dt", {}, "the next 30 days by the trend"), el("dd", {}, usd(trend.next_usd[1]), el("small", {}, `${usd(trend.next_usd[0])} to ${usd(trend.next_usd[2])}, P10 to P90`)));
    const [low, mid, high] = trend.week_usd, size = (/** @type {number} */ change) => usd(Math.abs(change));
    const span = `${signed(low)} to ${signed(high)}, P10 to P90`;
    refill(byId("trend"), low > 0 || high < 0 ? `A day costs ${size(mid)} ${mid > 0 ? "more" : "less"} every week (${span}).` : `No clear trend: a day's bill changes by ${span}, every week.`);
    refill(byId("days-lead"), `The trend is a straight line through the last ${trend.days} days; the band holds 80% of days if they go on like that. It knows no holidays, new projects or new prices.`);
  }

  /** @param {number} change */
  function signed(change) {
    return change > 0 ? `+${usd(change)}` : usd(change);
  }

  /** @param {FleetTable} table */
  function ranked(table) {
    const most = table.rows[0]?.billed_usd || 1;
    const line = (/** @type {FleetRow} */ row) => {
      const svg = svgEl("svg", { width: 90, height: 12, "aria-hidden": "true" }, svgEl("rect", { width: Math.max(1, (90 * row.billed_usd) / most), height: 12, rx: 2, fill: "var(--c6)" }));
      return el("li", {}, el("span", { class: "grow" }, row.name), svg, el("span", { class: "number" }, `${row.is_lower_bound ? "≥" : ""}${usd(row.billed_usd)}`));
    };
    const rest = table.rows.slice(FIRST_ROWS), more = rest.length + table.left_out;
    return el("section", { "aria-label": `By ${table.dimension}` }, el("h2", {}, `By ${table.dimension}`),
      el("ol", { class: "misses ranked" }, ...table.rows.slice(0, FIRST_ROWS).map(line)),
      rest.length ? el("details", {}, el("summary", {}, `${count(more)} more${table.left_out ? `, ${count(rest.length)} of them here` : ""}`), el("ol", { class: "misses ranked" }, ...rest.map(line))) : "");
  }

  function all() {
    days();
    pace();
    refill(byId("tables"), ...fleet.tables.filter((table) => table.rows.length).map(ranked));
    document.documentElement.setAttribute("data-drawn", "all");
  }
  themeSwitch();
  showHints();
  all();
  addEventListener("resize", days);
})();
