// The filters that are chosen, one chip each, with the words between them: "or" within a list (or
// "and", where all of it is asked for), "and" between lists.

import { byId, el, monthName } from "./dom.js";
import { commit, LISTS, SEVERAL, state } from "./address.js";
import { namesOf } from "./data.js";

const chip = (key, text, remove) => el("li", {}, el("button", {
  type: "button", class: "chip", "aria-label": `Remove filter ${text}`, dir: "auto",
  "data-key": key, onclick: () => { remove(); commit(); },
}, `${text} ✕`));

const word = (text) => el("li", { class: "word" }, text);

/** The switch of a list of which a title can have several: any of the chosen ones, or all. */
function modeSwitch(list) {
  const button = (isAll, text) => el("button", {
    type: "button", "aria-pressed": state.all.has(list) === isAll, "data-key": `mode:${text}`,
    onclick: () => { state.all[isAll ? "add" : "delete"](list); commit(); },
  }, text);
  const name = `Titles that have, of ${list}`;
  return el("li", { class: "mode" }, el("span", { role: "group", "aria-label": name },
    button(false, "any of these"), button(true, "all of these")));
}

function listChips(list) {
  const between = state.all.has(list) ? "and" : "or";
  const chips = [...state[list]].map((code) =>
    chip(`${list}:${code}`, namesOf(list)[code], () => state[list].delete(code)));
  const parts = chips.flatMap((one, position) => (position ? [word(between), one] : [one]));
  return chips.length > 1 && SEVERAL.includes(list) ? [...parts, modeSwitch(list)] : parts;
}

function rangeChip(key, words, name) {
  const [from, to] = state[key];
  const text = `${words} ${name(from)}${from === to ? "" : ` to ${name(to)}`}`;
  return [chip(key, text, () => { state[key] = null; })];
}

export function drawChips() {
  const groups = LISTS.map(listChips);
  if (state.year) groups.push(rangeChip("year", "released", String));
  if (state.month) groups.push(rangeChip("month", "added", monthName));
  if (state.search)
    groups.push([chip("search", `“${state.search}”`, () => { state.search = ""; })]);
  byId("chips").replaceChildren(...groups.filter((group) => group.length)
    .flatMap((group, position) => (position ? [word("and"), ...group] : group)));
}
