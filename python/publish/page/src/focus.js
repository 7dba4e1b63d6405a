// The keyboard's focus: it survives each redraw, and a jump on the page takes it along.

import { byId } from "./dom.js";

const STOPS = "a[href], input, summary, button:not([tabindex='-1']), [tabindex='0']";
const isShown = (part) => part.isConnected && part.getClientRects().length > 0;
const stopsOf = (home) => [...home.querySelectorAll(STOPS)].filter(isShown);

/**
 * Note what has the focus; the function that comes back gives it back if it was lost meanwhile: to
 * what has the same `data-key` now, else to what stands at the same place, else near it.
 */
export function noteFocus() {
  const focused = document.activeElement, { key } = focused.dataset;
  const homes = []; // the parts with an id around it, the nearest one first: [part, place in it]
  for (let home = focused.closest("[id]"); home; home = home.parentElement.closest("[id]"))
    homes.push([home, stopsOf(home).indexOf(focused)]);
  return () => {
    const { activeElement: now } = document;
    if (!homes.length || (now !== document.body && isShown(now))) return;
    for (const [home] of homes) {
      const same = key && [...home.querySelectorAll("[data-key]")]
        .find((part) => part.dataset.key === key && isShown(part));
      if (same) return same.focus({ preventScroll: true });
    }
    for (const [home, place] of homes) {
      const stops = stopsOf(home);
      if (place >= 0 && stops.length)
        return stops[Math.min(place, stops.length - 1)].focus({ preventScroll: true });
    }
  };
}

/** Go to a part of the page: what Tab reaches next is the first thing in it. */
export function jump(id) {
  const part = byId(id);
  part.querySelector(".fold[aria-expanded='false']")?.click();
  part.tabIndex = -1;
  part.scrollIntoView();
  part.focus({ preventScroll: true });
}

/** The links to sections (the hash is the choice, not the place), and "/" for the search. */
export function watchJumps() {
  for (const link of document.querySelectorAll("[data-jump]"))
    link.addEventListener("click", (event) => {
      event.preventDefault();
      jump(link.dataset.jump);
    });
  document.addEventListener("keydown", (event) => {
    const search = byId("search");
    const isTyping = event.target.matches?.("input:not([type='range']), dialog *");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    if (!isShown(search)) return;
    event.preventDefault();
    search.scrollIntoView({ block: "center" });
    search.select();
  });
}
