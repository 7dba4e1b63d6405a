// A title: its facts, each a link that filters, and its versions as `make why` tells them.

import { byId, el, isoDay, onDay } from "./dom.js";
import { closeTitle, commit, state } from "./address.js";
import { changesOf, newValue, oldValue } from "./changes.js";
import { fileId, isCube, namesakes, page } from "./data.js";
import { jump, noteFocus } from "./focus.js";
import { lengthText, titleButton } from "./titles.js";
import { failuresOf, outcome } from "./trust.js";

const OPERATIONS = ["first seen", "changed", "came back"];
const UPDATE = 1;

let shown = null; // the title that the dialog is of
let giveFocusBack = () => {}; // to what opened it

export function drawDetail() {
  const box = byId("detail");
  if (isCube || shown === state.title) return;
  shown = state.title;
  if (shown === null) {
    box.close();
    giveFocusBack();
    return;
  }
  const versions = page.versionsOf[state.title], row = versions.at(-1), { rows, names } = page;
  const id = page.ids[state.title];
  const year = rows.year[row] ?? "year unknown";
  const named = failuresOf(state.title);
  const facts = [names.type[rows.type[row]], year, lengthText(row), names.rating[rows.rating[row]]];
  box.replaceChildren(
    el("button", { type: "button", class: "close", "aria-label": "Close",
      onclick: () => box.close() }, "✕"),
    el("h2", { id: "detail-title", dir: "auto" }, rows.title[row] ?? id),
    el("p", { class: "answer" }, facts.filter(Boolean).join(", ")),
    ...named.map(([check, text]) => el("p", { class: `issue ${check.outcome}` },
      outcome(check.outcome), " A check names it: ", check.description, " ", el("code", {}, text))),
    el("dl", {}, ...factList(row, id).flatMap(([term, ...parts]) =>
      [el("dt", {}, term), el("dd", {}, ...parts)])),
    el("h3", {}, "Why is it so? Every version, and where it came from"),
    el("ol", { class: "versions" }, ...versions.map(version), ...gone(row)),
    el("p", { class: "answer" },
      "The same on the terminal, for who runs the pipeline, in its folder: ",
    el("code", {}, `make why KEY=${/^[\w.-]+$/.test(id) ? id : quoteForShell(id)}`)),
  );
  if (box.open) box.querySelector(".close").focus();
  else {
    giveFocusBack = noteFocus();
    box.showModal();
  }
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
      jump("titles");
    },
  }, text);
  const list = (dimension, codes, all) =>
    codes.flatMap((code, position) => [position ? ", " : "", link(dimension, code, all[code])]);
  const cast = list("person", rows.cast[row], page.people);
  const same = new Map(namesakes(row).map((other) => [rows.title_no[other], other]));
  const when = (other) => [rows.year[other] ?? "year unknown",
    rows.is_gone[page.versionsOf[rows.title_no[other]].at(-1)] ? "gone" : "there now"].join(", ");
  return [
    ["Added", isoDay(rows.added[row]) || "unknown"],
    ["Countries", ...list("country", page.countrySets[rows.countries[row]], names.country)],
    ["Genres", ...list("genre", page.genreSets[rows.genres[row]], names.genre)],
    ["Director", page.directors[rows.directors[row]] ?? "unknown"],
    ["Cast", ...(cast.length ? cast : ["not here"]),
      el("span", { class: "soft" }, " (the page has only people of three titles or more)")],
    ["Id", el("code", {}, id),
      ...(fileId(row) === id ? [] : [", in the file ", el("code", {}, fileId(row))])],
    ...(same.size ? [["Same name and type", ...[...same.values()].flatMap((other, position) =>
      [position ? ", " : "", titleButton(other), ` (${when(other)})`])]] : []),
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
    closeTitle();
    drawDetail(); // gives the focus back at once; the address follows
  });
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
}
