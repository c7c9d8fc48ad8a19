// What-if sliders: they move through predictions that the engine has made; nothing is computed here.
// @ts-check
"use strict";

/** @param {HTMLElement} root */
function whatIfView(root) {
  const cube = data.what_if, own = cube.own;
  const at = cube.axes.map(() => 0);
  const result = el("div", { class: "result", "aria-live": "polite" });
  const sliders = cube.axes.map((axis, number) => slider(axis.name, axis.labels, 0, (value) => {
    at[number] = value;
    draw();
  }));
  const ownResult = el("p", { "aria-live": "polite" });
  refill(root,
    el("div", { class: "sliders" }, ...sliders),
    result,
    cube.left_out ? el("p", { class: "soft" }, cube.left_out) : "",
    own ? el("div", { class: "own" }, el("h3", {}, `On hardware of your own: ${own.deployment}`),
      slider("a GPU-hour costs", own.usd_per_gpu_hour.map((hour) => usd(hour)), 2, showOwn), ownResult) : "",
    cube.assumes.length ? el("details", {}, el("summary", {}, "What these predictions assume"), el("ul", {}, ...cube.assumes.map((each) => el("li", {}, each)))) : "");
  if (own) showOwn(2);

  /** @param {number} place */
  function showOwn(place) {
    if (!own) return;
    const [low, mid, high] = [own.low_usd[place], own.mid_usd[place], own.high_usd[place]];
    const range = low === high ? "" : ` (${usd(low)} to ${usd(high)})`;
    ownResult.textContent = `The same work would cost ${usd(mid)}${range} in GPU-hours, beside ${usd(cube.before_usd)} billed. Another model would not answer alike.`;
  }

  function draw() {
    if (!cube.axes.length) return;
    const cell = cube.cells.find((each) => each.at.every((place, number) => place === at[number]));
    const before = cube.before_usd ?? 0;
    if (!cell || cell.after_usd === null) {
      refill(result, el("p", {}, cell ? "This has no price, so no bill is known." : "The run is long, so its levers are predicted one at a time: set the others back to “as recorded”."));
      return;
    }
    const saved = before - cell.after_usd, top = Math.max(before, cell.high_usd ?? cell.after_usd) || 1;
    const isPoint = cell.low_usd === cell.high_usd;
    refill(result,
      bar("recorded", before, usd(before), "var(--n1)"),
      bar("with this", cell.after_usd, usd(cell.after_usd) + (isPoint ? "" : ` (${usd(cell.low_usd)} to ${usd(cell.high_usd)})`), "var(--money)"),
      el("p", {}, !cell.levers.length ? "Nothing is changed yet: move a slider."
        : `${saved >= 0 ? "Saves" : "Costs"} ${usd(Math.abs(saved))}${saved >= 0 ? "" : " more"} (${percent(Math.abs(saved) / (before || 1))}). ${kindWords(cell.saving_kind)}`),
      cell.levers.length ? el("p", { class: "soft" }, "Ask again: ", el("code", {}, `tokenprof whatif RUN ${cell.levers.map((lever) => `--if '${lever}'`).join(" ")}`)) : "");

    /** @param {string} name @param {number} value @param {string} text @param {string} colour */
    function bar(name, value, text, colour) {
      const fill = el("span", { class: "bar-fill" });
      fill.style.width = `${(100 * value) / top}%`;
      fill.style.background = colour;
      return el("div", { class: "bar" }, el("span", { class: "bar-name" }, name), el("span", { class: "bar-track" }, fill), el("strong", { class: "bar-text" }, text));
    }
  }
  return draw;
}

/** @param {string} kind */
function kindWords(kind) {
  const words = /** @type {Record<string, string>} */ ({
    real: "A real saving: compute falls, too.", "list-price only": "Of the list price only: compute stays.", none: "", unknown: "What happens to compute is not known.",
  });
  return words[kind] ?? "";
}

/** @param {string} name @param {string[]} labels @param {number} start @param {(place: number) => void} moved */
function slider(name, labels, start, moved) {
  const output = el("output", {}, labels[start]);
  const input = el("input", { type: "range", min: 0, max: labels.length - 1, step: 1, value: start, "aria-valuetext": labels[start], input: () => {
    const place = Number(input.value);
    output.textContent = labels[place];
    input.setAttribute("aria-valuetext", labels[place]);
    moved(place);
  } });
  return el("label", { class: "slider" }, el("span", {}, name), input, output);
}
