// How numbers are written, and the few helpers that every view draws with.
// @ts-check
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const UNKNOWN = "—";

/**
 * @param {number | null | undefined} value dollars; three significant digits below a dollar
 * @param {boolean} [keepsZeros] for columns, in which figures stand below each other
 */
function usd(value, keepsZeros = false) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return "$0";
  const size = Math.abs(value);
  const sign = value < 0 ? "−$" : "$";
  if (size >= 1) return sign + d3.format(",.2f")(size);
  if (size < 1e-7) return "<$0.0000001";
  const decimals = Math.max(2, 2 - Math.floor(Math.log10(size)));
  const written = size.toFixed(decimals);
  return sign + (keepsZeros ? written : written.replace(/(\.\d\d\d*?)0+$/, "$1"));
}

/** @param {number | null | undefined} value */
function count(value) {
  return value === null || value === undefined ? UNKNOWN : d3.format(",d")(value);
}

/** @param {number | null | undefined} value tokens, short enough for an axis */
function short(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value < 1000) return String(Math.round(value));
  return d3.format(".3~s")(value).replace("G", "B");
}

/** @param {number | null | undefined} share */
function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return UNKNOWN;
  const rounded = Math.round(share * 100);
  return share > 0 && share < 0.01 ? "<1%" : `${rounded < 0 ? "−" : ""}${Math.abs(rounded)}%`;
}

/** @param {number | null | undefined} seconds */
function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/**
 * An HTML element. Text goes in as text, never as markup.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | ((event: any) => void) | null>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * An SVG element.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | ((event: any) => void) | null>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
function svgEl(tag, attributes = {}, ...children) {
  const isSized = tag === "svg" && typeof attributes.width === "number" && typeof attributes.height === "number";
  const box = isSized ? { viewBox: `0 0 ${attributes.width} ${attributes.height}` } : {};
  return filled(document.createElementNS(SVG, tag), { ...attributes, ...box }, children);
}

/**
 * @param {any} node
 * @param {Record<string, any>} attributes
 * @param {(Node | string | null)[]} children
 */
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "fill" && node.namespaceURI !== SVG) node.style.setProperty("background", String(value));
    else if (name === "fill" || name === "stroke") node.style.setProperty(name, String(value));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null) node.append(child);
  return node;
}

/**
 * Empties an element and fills it again.
 * @param {Element} node
 * @param {...(Node | string)} children
 */
function refill(node, ...children) {
  node.replaceChildren(...children);
}

const LEAST_LETTERS = 4;
const TEXT_FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const ruler = document.createElement("canvas").getContext("2d");

/**
 * As much of a text as fits; nothing if that says nothing.
 * @param {string} text @param {number} width pixels @param {number} [weight]
 */
function fitting(text, width, weight = 400) {
  if (!ruler || width < 12) return "";
  ruler.font = `${weight} ${TEXT_FONT}`;
  const shown = text.length > 200 ? text.slice(0, 200) : text;
  const whole = ruler.measureText(shown).width;
  if (whole <= width && shown === text) return text;
  let most = Math.min(shown.length, Math.floor((shown.length * width) / whole));
  while (most > 0 && ruler.measureText(`${shown.slice(0, most)}…`).width > width) most--;
  return most < LEAST_LETTERS ? "" : `${shown.slice(0, most).trimEnd()}…`;
}

const CLOCK_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];

/** Round times for an axis: 5 min, 10 min, …. @param {number} end seconds @param {number} most ticks */
function clockTicks(end, most) {
  const days = Math.ceil(end / 86400 / most) * 86400;
  const step = CLOCK_STEPS_S.find((each) => end / each <= most) ?? days;
  return d3.range(0, end + step / 1000, step);
}

/** @param {number} seconds a round time, as short as an axis wants it */
function clock(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 3600) return `${Number((seconds / 60).toFixed(1))} min`;
  const hours = Math.floor(seconds / 3600), minutes = Math.round((seconds % 3600) / 60);
  return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
}

/** Keeps the first and the last label of a horizontal axis inside the picture. @param {Element} svg @param {number} width */
function keepLabelsInside(svg, width) {
  for (const tick of svg.querySelectorAll(".axis .tick")) {
    const label = tick.querySelector("text"), place = /translate\(([-\d.]+),0\)/.exec(tick.getAttribute("transform") ?? "");
    if (!label || !place || !label.textContent || !ruler) continue;
    ruler.font = `400 ${TEXT_FONT}`;
    const half = ruler.measureText(label.textContent).width / 2, x = Number(place[1]);
    if (x < half) label.setAttribute("text-anchor", "start");
    else if (x > width - half) label.setAttribute("text-anchor", "end");
  }
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found;
}

/** The width that a view can draw in. @param {Element} root */
function widthOf(root) {
  return Math.max(280, Math.floor(root.getBoundingClientRect().width));
}
