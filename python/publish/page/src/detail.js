// A title: its facts, each a link that filters, and its versions as `make why` tells them.

import { byId, el, isoDay, onDay } from "./dom.js";
import { commit, state } from "./address.js";
import { changesOf, newValue, oldValue } from "./changes.js";
import { isCube, page } from "./data.js";
import { lengthText } from "./titles.js";

const OPERATIONS = ["first seen", "changed", "came back"];
const UPDATE = 1;

export function drawDetail() {
  const box = byId("detail");
  if (isCube) return;
  if (state.title === null) {
    if (box.open) box.close();
    return;
  }
  const versions = page.versionsOf[state.title], row = versions.at(-1), { rows, names } = page;
  const id = page.ids[state.title];
  const year = rows.year[row] ?? "year unknown";
  const facts = [names.type[rows.type[row]], year, lengthText(row), names.rating[rows.rating[row]]];
  box.replaceChildren(
    el("button", { type: "button", class: "close", "aria-label": "Close",
      onclick: () => box.close() }, "✕"),
    el("h2", { id: "detail-title", dir: "auto" }, rows.title[row] ?? id),
    el("p", { class: "answer" }, facts.filter(Boolean).join(", ")),
    el("dl", {}, ...factList(row, id).flatMap(([term, ...parts]) =>
      [el("dt", {}, term), el("dd", {}, ...parts)])),
    el("h3", {}, "Why is it so? Every version, and where it came from"),
    el("ol", { class: "versions" }, ...versions.map(version), ...gone(row)),
    el("p", { class: "answer" }, "The same on the terminal: ",
      el("code", {}, `make why KEY=${/^[\w.-]+$/.test(id) ? id : quoteForShell(id)}`)),
  );
  if (!box.open) box.showModal();
  box.scrollTop = 0;
}

const quoteForShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function factList(row, id) {
  const { rows, names } = page;
  const link = (dimension, code, text) => el("button", {
    type: "button", class: "link", dir: "auto", onclick: () => {
      state.title = null;
      state[dimension] = new Set([code]);
      commit();
      byId("titles").scrollIntoView();
    },
  }, text);
  const list = (dimension, codes, all) =>
    codes.flatMap((code, position) => [position ? ", " : "", link(dimension, code, all[code])]);
  const cast = list("person", rows.cast[row], page.people);
  return [
    ["Added", isoDay(rows.added[row]) || "unknown"],
    ["Countries", ...list("country", page.countrySets[rows.countries[row]], names.country)],
    ["Genres", ...list("genre", page.genreSets[rows.genres[row]], names.genre)],
    ["Director", page.directors[rows.directors[row]] ?? "unknown"],
    ["Cast", ...(cast.length ? cast : ["nobody"]), " (of the people in three titles or more)"],
    ["Id", el("code", {}, id)],
  ];
}

/** A version: since when, what changed, the line of the file, and what was repaired on the way. */
function version(row) {
  const { rows, snapshots } = page, since = rows.since[row];
  const changes = rows.operation[row] === UPDATE ? changesOf(since, rows.title_no[row]) : [];
  const file = snapshots.source[since] || snapshots.batch[since];
  const line = rows.line[row] === null ? "" : `, line ${rows.line[row]}`;
  const repairs = page.repairs[row];
  return el("li", {},
    el("b", {}, onDay(snapshots.at[since])), ` ${OPERATIONS[rows.operation[row]] ?? ""}`,
    rows.until[row] < 0 ? ", the version of now" : "",
    ...changes.map(({ field, before, after }) =>
      el("div", {}, `${field}: `, oldValue(before), " → ", newValue(after))),
    rows.operation[row] === UPDATE && !changes.length
      ? el("div", { class: "soft" }, "The fields are not on this page; the command below has them.")
      : null,
    el("div", { class: "soft" }, "From ", el("code", {}, `${file}${line}`)),
    repairs ? el("div", { class: "soft" }, `Repaired on the way in: ${repairs}`) : null);
}

function gone(row) {
  if (!page.rows.is_gone[row]) return [];
  return [el("li", { class: "gone" }, el("b", {}, onDay(page.snapshots.at[page.rows.until[row]])),
    " gone from the catalogue")];
}

export function watchDetail() {
  const box = byId("detail");
  box.addEventListener("close", () => {
    if (state.title === null) return;
    state.title = null;
    commit();
  });
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
}
