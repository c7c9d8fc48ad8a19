// How numbers are written, and the few helpers that every view draws with.
// @ts-check
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const UNKNOWN = "—";

/** @param {number | null | undefined} value dollars; three significant digits below a dollar */
function usd(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return "$0";
  const size = Math.abs(value);
  const sign = value < 0 ? "−$" : "$";
  if (size >= 1) return sign + d3.format(",.2f")(size);
  if (size < 1e-7) return "<$0.0000001";
  const decimals = Math.max(2, 2 - Math.floor(Math.log10(size)));
  return sign + size.toFixed(decimals).replace(/(\.\d\d\d*?)0+$/, "$1");
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
  return share > 0 && share < 0.01 ? "<1%" : `${Math.round(share * 100)}%`;
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
  return filled(document.createElementNS(SVG, tag), attributes, children);
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

/** @param {string} text @param {number} width pixels */
function fitting(text, width) {
  const most = Math.floor(width / 6.4);
  if (most < 2) return "";
  return text.length <= most ? text : text.slice(0, most - 1) + "…";
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
