// Tables that can be sorted, filtered, copied and saved.
// @ts-check
"use strict";

const FIRST_ROWS = 50;

/**
 * @typedef {{ name: string, isNumber?: boolean, value: (row: number) => any, text?: (row: number) => string }} Column
 * @typedef {{ name: string, columns: Column[], rows: number, note?: string, isShown?: (row: number) => boolean, turn?: (row: number) => number | null }} Table
 */

/** @param {Table} table the cell's text @param {number} row @param {Column} column */
function cellText(table, row, column) {
  if (column.text) return column.text(row);
  const value = column.value(row);
  return value === null || value === undefined ? UNKNOWN : typeof value === "number" ? count(value) : String(value);
}

/** @param {Table} table @param {number[]} rows */
function asCsv(table, rows) {
  const cell = (/** @type {any} */ value) => {
    let text = value === null || value === undefined ? "" : String(value);
    // A spreadsheet runs a text that begins like a formula; an apostrophe keeps it a text.
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = table.columns.map((column) => cell(column.name)).join(",");
  return [head, ...rows.map((row) => table.columns.map((column) => cell(column.value(row))).join(","))].join("\n") + "\n";
}

/** @param {Table} table @param {number[]} rows */
function asJson(table, rows) {
  return JSON.stringify(rows.map((row) => Object.fromEntries(table.columns.map((column) => [column.name, column.value(row) ?? null]))), null, 1) + "\n";
}

/** @param {string} name @param {string} type @param {string} text */
function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** @param {HTMLElement} root @param {Table} table */
function tableView(root, table) {
  let order = /** @type {{ column: number, isUp: boolean } | null} */ (null), most = FIRST_ROWS, filter = "";
  const said = el("span", { class: "soft", "aria-live": "polite" });
  const input = el("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${table.name}`, input: () => {
    filter = input.value.toLowerCase();
    most = FIRST_ROWS;
    draw();
  } });
  const body = el("tbody", {});
  const heads = table.columns.map((column, at) => el("th", { scope: "col", class: column.isNumber ? "number" : "" },
    el("button", { type: "button", click: () => {
      order = order?.column === at ? { column: at, isUp: !order.isUp } : { column: at, isUp: !column.isNumber };
      draw();
    } }, column.name)));
  const more = el("button", { type: "button", class: "more", click: () => {
    most *= 4;
    draw();
  } });
  refill(root,
    el("div", { class: "controls" }, input, said, el("span", { class: "grow" }),
      el("button", { type: "button", click: () => {
        copyText(asCsv(table, rows()));
        said.textContent = "Copied.";
      } }, "Copy"),
      el("button", { type: "button", click: () => save(`${table.name}.csv`, "text/csv", asCsv(table, rows())) }, "CSV"),
      el("button", { type: "button", click: () => save(`${table.name}.json`, "application/json", asJson(table, rows())) }, "JSON")),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Table of ${table.name}` }, el("table", {}, el("caption", { class: "hidden" }, table.name), el("thead", {}, el("tr", {}, ...heads)), body)),
    more);

  function rows() {
    const found = [];
    for (let row = 0; row < table.rows; row++) {
      if (table.isShown && !table.isShown(row)) continue;
      if (filter && !table.columns.some((column) => cellText(table, row, column).toLowerCase().includes(filter))) continue;
      found.push(row);
    }
    if (order) {
      const { column, isUp } = order, value = table.columns[column].value;
      const compare = (/** @type {any} */ a, /** @type {any} */ b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
      found.sort((a, b) => {
        const [one, two] = [value(a), value(b)];
        if (one === null || two === null) return one === two ? 0 : one === null ? 1 : -1;
        return (isUp ? 1 : -1) * compare(one, two);
      });
    }
    return found;
  }

  function draw() {
    const found = rows();
    refill(body, ...found.slice(0, most).map((row) => {
      const turn = table.turn ? table.turn(row) : null;
      return el("tr", { class: turn !== null && turn === selection.turn ? "current" : "", click: turn === null ? null : () => select({ turn }) },
        ...table.columns.map((column) => cell(table, row, column)));
    }));
    heads.forEach((head, at) => head.setAttribute("aria-sort", order?.column !== at ? "none" : order.isUp ? "ascending" : "descending"));
    said.textContent = `${count(found.length)} of ${count(table.rows)}${table.note ? `; ${table.note}` : ""}`;
    more.hidden = found.length <= most;
    more.textContent = `Show more (${count(found.length - most)} left)`;
  }
  onSelection(draw);
  return draw;
}

const LONG_TEXT = 60;

/** @param {Table} table @param {number} row @param {Column} column */
function cell(table, row, column) {
  const text = cellText(table, row, column);
  return el("td", { class: column.isNumber ? "number" : text.length > LONG_TEXT ? "long" : "" }, text);
}

/** @param {string} text */
function copyText(text) {
  if (navigator.clipboard) {
    navigator.clipboard.writeText(text).catch(() => copyBySelecting(text));
  } else {
    copyBySelecting(text);
  }
}

/** @param {string} text */
function copyBySelecting(text) {
  const area = el("textarea", { "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** @returns {Table[]} */
function tables() {
  const t = data.turns, b = data.blocks, g = data.groups, f = data.answer.findings, m = data.cache.misses;
  return [
    { name: "turns", rows: turnCount, turn: (row) => row, isShown: isInRange, columns: [
      { name: "turn", isNumber: true, value: (row) => row },
      { name: "agent", value: (row) => t.agents[t.agent[row]] },
      { name: "model", value: (row) => t.models[t.model[row]] },
      { name: "prompt tokens", isNumber: true, value: (row) => (t.read_tokens[row] === null ? null : promptTokens(row)) },
      { name: "read", isNumber: true, value: (row) => t.read_tokens[row] },
      { name: "written", isNumber: true, value: (row) => t.written_tokens[row] },
      { name: "fresh", isNumber: true, value: (row) => t.fresh_tokens[row] },
      { name: "output", isNumber: true, value: (row) => t.output_tokens[row] },
      { name: "billed USD", isNumber: true, value: (row) => t.billed_usd[row], text: (row) => usd(t.billed_usd[row], true) },
      { name: "compute USD", isNumber: true, value: (row) => t.compute_mid_usd[row], text: (row) => usd(t.compute_mid_usd[row], true) },
      { name: "took", isNumber: true, value: (row) => t.duration_s[row], text: (row) => duration(t.duration_s[row]) },
    ] },
    { name: "blocks", rows: b.id.length, note: b.left_out ? `${count(b.left_out)} more have ${usd(b.left_out_usd)} of the bill in all` : "", turn: (row) => b.born_turn[row], isShown: (row) => (selection.source === null || b.sources[b.source[row]] === selection.source) && (selection.turns === null || ((b.born_turn[row] ?? 0) <= selection.turns[1] && (b.last_turn[row] ?? 0) >= selection.turns[0])), columns: [
      { name: "kind", value: (row) => b.kinds[b.kind[row]] },
      { name: "name", value: (row) => b.names[b.name[row]] },
      { name: "from turn", isNumber: true, value: (row) => b.born_turn[row] },
      { name: "to turn", isNumber: true, value: (row) => b.last_turn[row] },
      { name: "size tokens", isNumber: true, value: (row) => b.size_tokens[row], text: (row) => `${b.is_exact[row] ? "" : "~"}${count(b.size_tokens[row])}` },
      { name: "turns carried", isNumber: true, value: (row) => b.turns_carried[row] },
      { name: "billed tokens", isNumber: true, value: (row) => b.billed_tokens[row] },
      { name: "billed USD", isNumber: true, value: (row) => b.billed_usd[row], text: (row) => `${b.is_lower_bound[row] ? "≥" : ""}${usd(b.billed_usd[row], true)}` },
      { name: "compute USD", isNumber: true, value: (row) => b.compute_usd[row], text: (row) => usd(b.compute_usd[row], true) },
    ] },
    { name: "tools, skills and agents", rows: g.length, isShown: (row) => selection.source === null || g[row].name === selection.source, columns: [
      { name: "kind", value: (row) => g[row].kind },
      { name: "name", value: (row) => g[row].name },
      { name: "blocks", isNumber: true, value: (row) => g[row].blocks },
      { name: "billed tokens", isNumber: true, value: (row) => g[row].billed_tokens },
      { name: "billed USD", isNumber: true, value: (row) => g[row].billed_usd, text: (row) => usd(g[row].billed_usd, true) },
      { name: "compute USD", isNumber: true, value: (row) => g[row].compute_usd, text: (row) => usd(g[row].compute_usd, true) },
    ] },
    { name: "cache misses", rows: m.length, turn: (row) => m[row].turn, isShown: (row) => isInRange(m[row].turn), columns: [
      { name: "turn", isNumber: true, value: (row) => m[row].turn },
      { name: "cause", value: (row) => m[row].cause_in_words },
      { name: "first changed block", value: (row) => m[row].block || UNKNOWN },
      { name: "field", value: (row) => m[row].field || UNKNOWN },
      { name: "tokens", isNumber: true, value: (row) => m[row].tokens },
      { name: "extra USD", isNumber: true, value: (row) => m[row].usd, text: (row) => usd(m[row].usd, true) },
      { name: "known from", value: (row) => m[row].evidence },
    ] },
    { name: "findings", rows: f.length, columns: [
      { name: "severity", value: (row) => f[row].severity },
      { name: "finding", value: (row) => f[row].title },
      { name: "detail", value: (row) => f[row].detail },
      { name: "saves USD", isNumber: true, value: (row) => f[row].saves_usd, text: (row) => usd(f[row].saves_usd, true) },
    ] },
  ];
}

/** @param {HTMLElement} root */
function tablesView(root) {
  const every = tables();
  const panel = el("div", { id: "table-panel" });
  let draw = () => {};
  const show = (/** @type {string} */ name) => {
    const fresh = el("div", {});
    refill(panel, fresh);
    draw = tableView(fresh, /** @type {Table} */ (every.find((table) => table.name === name)));
    draw();
  };
  refill(root, switcher("Table", "table", every.map((table) => table.name), every.map((table) => `${table.name} (${count(table.rows)})`), "turns", show), panel);
  show("turns");
  return () => draw();
}

const WORD_TAGS = /** @type {Record<string, string>} */ ({ same: "span", gone: "del", new: "ins" });

/** @param {HTMLElement} root */
function cacheView(root) {
  const misses = data.cache.misses;
  const t = data.turns;
  const read = t.read_tokens.reduce((/** @type {number} */ sum, tokens) => sum + (tokens ?? 0), 0);
  const all = d3.range(turnCount).reduce((sum, turn) => sum + promptTokens(turn), 0);
  const lead = all ? `${percent(read / all)} of all prompt tokens were read from the cache. ` : "";
  if (!misses.length) {
    refill(root, el("p", {}, `${lead}No turn missed a cache that it could have read.`));
    return () => {};
  }
  const cost = misses.reduce((sum, miss) => sum + (miss.usd ?? 0), 0);
  refill(root, el("p", {}, `${lead}${count(misses.length)} ${misses.length === 1 ? "turn" : "turns"} missed it, which cost ${usd(cost)} more than reading.`),
    el("ol", { class: "misses" }, ...[...misses].sort((a, b) => (b.usd ?? 0) - (a.usd ?? 0)).slice(0, 8).map((miss) => el("li", {},
      el("button", { type: "button", click: () => select({ turn: miss.turn }) }, `Turn ${miss.turn}`),
      el("span", { class: "grow" }, el("strong", {}, miss.cause_in_words), miss.block ? `: first at ${miss.block}` : "", miss.field ? ` (${miss.field})` : "",
        el("span", { class: "soft" }, ` · ${count(miss.tokens)} tokens again`),
        miss.words.length ? el("p", { class: "changed-words", tabindex: 0, role: "group", "aria-label": `What changed in turn ${miss.turn}` }, ...miss.words.map((run) => el(WORD_TAGS[run.change], {}, run.text))) : ""),
      el("span", { class: "number" }, usd(miss.usd))))),
    misses.length > 8 ? el("p", { class: "soft" }, `The other ${count(misses.length - 8)} are in the table below.`) : "");
  return () => {};
}
