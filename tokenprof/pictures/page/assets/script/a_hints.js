// What is under the pointer, in words beside it; a switch of themes; where a reader is on the page.
// @ts-check
"use strict";

/** Pictures that say more of a place than an element could. @type {WeakMap<Element, (event: PointerEvent) => string>} */
const hintsOf = new WeakMap();

/** An element's own title, kept where the browser does not show it a second time. @param {Element} node */
function titleOf(node) {
  const title = [...node.children].find((child) => child.tagName === "title");
  if (title) {
    node.setAttribute("data-hint", title.textContent ?? "");
    title.remove();
  }
  return node.getAttribute("data-hint");
}

/** @param {PointerEvent} event */
function hintAt(event) {
  for (let node = /** @type {Element | null} */ (event.target); node instanceof SVGElement; node = node.parentElement) {
    const words = titleOf(node) ?? hintsOf.get(node)?.(event);
    if (words) return words;
  }
  return "";
}

function showHints() {
  const hint = el("div", { class: "hint", "aria-hidden": "true", hidden: true });
  document.body.append(hint);
  const move = (/** @type {PointerEvent} */ event) => {
    const words = event.type === "pointermove" && event.pointerType !== "touch" ? hintAt(event) : "";
    hint.hidden = !words;
    if (!words) return;
    if (hint.textContent !== words) hint.textContent = words;
    const { width, height } = hint.getBoundingClientRect(), right = document.documentElement.clientWidth - width - 8;
    const below = event.clientY + 18 + height < innerHeight;
    hint.style.left = `${Math.max(8, Math.min(right, event.clientX + 14))}px`;
    hint.style.top = `${below ? event.clientY + 18 : Math.max(8, event.clientY - height - 12)}px`;
  };
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerleave", move);
  addEventListener("scroll", () => (hint.hidden = true), { passive: true });
}

function themeSwitch() {
  const themes = ["auto", "light", "dark"];
  byId("theme").append(switcher("Theme", "theme", themes, themes, "auto", (value) => {
    if (value === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", value);
  }));
}

/** Marks the link of the section that is on the screen. */
function markSections() {
  const links = new Map([...document.querySelectorAll(".top nav a")].map((link) => [String(link.getAttribute("href")).slice(1), link]));
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
    const first = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-80px 0px -50% 0px" });
  for (const id of links.keys()) watcher.observe(byId(id));
}
