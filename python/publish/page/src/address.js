// What the reader chose, and the same in the address: a link, Back and Forward give the same page.

import { monthText, parseMonth } from "./dom.js";
import { first, isCube, last, namesOf, page } from "./data.js";

export const LISTS = ["type", "rating", "country", "genre", "person"]; // several values each, OR
export const SEVERAL = ["country", "genre", "person"]; // of which a title can have several
export const DIMENSIONS = [...LISTS, "year", "month", "search"]; // between them AND
export const NEWEST_FIRST = "-added";

export const state = {
  snapshot: 0, year: null, month: null, search: "", sort: NEWEST_FIRST, title: null,
  tab: null, field: null, // of what changed: new, changed or gone, and one field of the changed
  all: new Set(), // lists of which a title must have all chosen values, not any
  ...Object.fromEntries(LISTS.map((key) => [key, new Set()])),
};
export const unknownNames = []; // of the last link: names that this catalogue does not have

export const isChosen = (key) => (LISTS.includes(key) ? state[key].size > 0 : Boolean(state[key]));
export const hasFilter = () => DIMENSIONS.some(isChosen);
export const snapshotDay = (snapshot) => page.snapshots.at[snapshot].slice(0, 10);

/** The name of a snapshot in an address: its day, or its time where another one is of that day. */
function snapshotName(snapshot) {
  const same = page.snapshots.at.filter((at) => at.startsWith(snapshotDay(snapshot)));
  return same.length > 1 ? page.snapshots.at[snapshot] : snapshotDay(snapshot);
}

export function writeAddress() {
  const query = new URLSearchParams();
  if (state.snapshot !== last) query.set("as-of", snapshotName(state.snapshot));
  for (const key of LISTS)
    for (const code of state[key]) query.append(key, namesOf(key)[code]);
  for (const key of state.all) if (state[key].size > 1) query.append("all", key);
  if (state.year) query.set("released", state.year.join("-"));
  if (state.month) query.set("added", state.month.map(monthText).join("_"));
  if (state.search) query.set("search", state.search);
  if (state.sort !== NEWEST_FIRST) query.set("sort", state.sort);
  if (state.tab) query.set("show", state.tab);
  if (state.field) query.set("field", state.field);
  if (state.title !== null) query.set("title", page.ids[state.title]);
  return query.size ? `#${query}` : "#";
}

export function readAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  unknownNames.length = 0;
  const range = (text, separator, parse) => {
    if (!text) return null;
    const ends = text.split(separator).map(parse);
    if (ends.length === 2 && ends.every(Number.isFinite)) return ends.sort((a, b) => a - b);
    unknownNames.push(text);
    return null;
  };
  const wanted = query.get("as-of");
  const found = wanted ? page.snapshots.at.findLastIndex((at) => at.startsWith(wanted)) : last;
  if (found < 0) unknownNames.push(wanted);
  state.snapshot = found < oldest() ? last : found;
  for (const key of LISTS) {
    const codes = query.getAll(key).map((name) => {
      const code = namesOf(key).indexOf(name);
      if (code < 0) unknownNames.push(name);
      return code;
    });
    state[key] = new Set(codes.filter((code) => code >= 0));
  }
  state.all = new Set(query.getAll("all").filter((key) => SEVERAL.includes(key)));
  state.year = range(query.get("released"), "-", Number);
  state.month = range(query.get("added"), "_", parseMonth);
  state.search = isCube ? "" : (query.get("search") ?? "");
  state.sort = query.get("sort") ?? NEWEST_FIRST;
  state.tab = ["new", "changed", "gone"].find((tab) => tab === query.get("show")) ?? null;
  state.field = query.get("field");
  const title = isCube ? null : query.get("title");
  state.title = title ? page.ids.indexOf(title) : null;
  if (state.title === -1) {
    unknownNames.push(title);
    state.title = null;
  }
}

/** The oldest snapshot that "as of" reaches. */
export const oldest = () => (isCube ? Math.max(0, last - 1) : first);

let redraw = () => {};
export const onChange = (draw) => { redraw = draw; };

/** Put the choice into the address (a step of Back, unless it `replaces` the last) and draw it. */
export function commit({ replace = false } = {}) {
  unknownNames.length = 0;
  const here = location.hash || "#", next = writeAddress();
  // What lies under the open title, and how many steps of Back away: `closeTitle` goes there.
  const under = state.title === null ? null
    : { address: history.state?.address ?? here, steps: (history.state?.steps ?? 0) + 1 };
  if (next !== here && replace) history.replaceState(history.state, "", next);
  else if (next !== here) history.pushState(under, "", next);
  redraw();
}

/** Close the title: go back to what it was opened from, so that Back does not open it again. */
export function closeTitle() {
  state.title = null;
  const { address, steps } = history.state ?? {};
  if (address === writeAddress()) history.go(-steps);
  else commit({ replace: true });
}

let isWaiting = false;
/** Draw at the next frame what is on the screen: while a brush or the slider moves. */
export function drawSoon() {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    redraw({ onlyVisible: true });
  });
}

export function toggle(dimension, code) {
  if (!state[dimension].delete(code)) state[dimension].add(code);
  commit();
}

export function clearFilters() {
  for (const key of [...LISTS, "all"]) state[key].clear();
  state.year = state.month = null;
  state.search = "";
  commit();
}
