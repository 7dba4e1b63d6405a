// What changed between a snapshot and the one before: three cards as tabs of one table.

import { byId, count, el, isSmall, onDay, plural, table } from "./dom.js";
import { commit, hasFilter, state } from "./address.js";
import { expandButton, isExpanded } from "./bars.js";
import { failedBits } from "./filter.js";
import { fileId, isCube, kind, last, namesakes, page, weight } from "./data.js";
import { openTitle, saveLines, saveTitles, titleButton, titleTable } from "./titles.js";

const TABS = ["new", "changed", "gone"];
const SIGNS = { new: "+", changed: "", gone: "−" };
const COLUMNS = ["title", "type", "year", "added", "country", "genre"];
const FEW = isSmall() ? 4 : 6, MANY = 1000; // rows of the table: closed, open
const FIGURE = "changes"; // its name among what can be expanded
const UPDATE = 1; // the code of that operation

export const blank = () => el("span", { class: "blank" }, "blank");
export const oldValue = (value) => (value === null ? blank() : el("del", { dir: "auto" }, value));
export const newValue = (value) => (value === null ? blank() : el("ins", { dir: "auto" }, value));

/** The change feed by version: "snapshot:title" -> [{field, before, after}]. */
let feed = null;
export function changesOf(snapshot, title) {
  if (!feed) {
    feed = new Map();
    page.feed.snapshot.forEach((at, position) => {
      const key = `${at}:${page.feed.title_no[position]}`;
      if (!feed.has(key)) feed.set(key, []);
      feed.get(key).push({
        field: page.fields[page.feed.field[position]],
        before: page.feed.before[position], after: page.feed.after[position],
      });
    });
  }
  return feed.get(`${snapshot}:${title}`) ?? [];
}

export function drawChanges(counts) {
  const body = byId("change-body");
  if (isCube) body.replaceChildren(...countedChanges());
  else if (state.snapshot === 0) body.replaceChildren(...firstSnapshot(counts));
  else body.replaceChildren(...titleChanges());
}

function firstSnapshot(counts) {
  const newest = counts.hits.slice()
    .sort((a, b) => (page.rows.added[b] ?? -1) - (page.rows.added[a] ?? -1)).slice(0, FEW + 2);
  return [
    el("p", { class: "note" }, "This is the first snapshot: there is none before it to compare " +
      "with. What the next one changes will stand here. These are the titles that the catalogue " +
      "itself dates last:"),
    el("div", { class: "scroll" }, titleTable(newest, COLUMNS)),
  ];
}

/** The rows of the titles that are new, changed and gone, of those that fit the filters. */
function changedRows() {
  const { rows } = page, lists = { new: [], changed: [], gone: [] };
  for (let row = 0; row < rows.size; row += 1) {
    const begins = rows.since[row] === state.snapshot;
    const ends = rows.until[row] === state.snapshot && rows.is_gone[row];
    if ((!begins && !ends) || failedBits(row)) continue;
    if (begins) lists[rows.operation[row] === UPDATE ? "changed" : "new"].push(row);
    if (ends) lists.gone.push(row);
  }
  return lists;
}

/** How often each field changed: [field, {all, wasBlank, isBlank}], the most frequent first. */
function fieldCounts(rows) {
  const fields = new Map();
  for (const row of rows)
    for (const { field, before, after } of changesOf(state.snapshot, page.rows.title_no[row])) {
      if (!fields.has(field)) fields.set(field, { all: 0, wasBlank: 0, isBlank: 0 });
      const entry = fields.get(field);
      entry.all += 1;
      if (before === null) entry.wasBlank += 1;
      if (after === null) entry.isBlank += 1;
    }
  return [...fields].sort((a, b) => b[1].all - a[1].all);
}

function fieldText([field, { all, wasBlank, isBlank }]) {
  const part = (number, words) =>
    (number === all ? `all ${words}` : number ? `${count(number)} ${words}` : null);
  const notes = [part(wasBlank, "were blank before"), part(isBlank, "are blank now")]
    .filter(Boolean);
  return `${field} ${count(all)}${notes.length ? ` (${notes.join(", ")})` : ""}`;
}

function typeText(rows, none) {
  const parts = page.names.type.map((type, code) => {
    const number = rows.filter((row) => page.rows.type[row] === code).length;
    return number ? `${count(number)} ${kind(type, number)}` : null;
  });
  return parts.filter(Boolean).join(", ") || none;
}

/** How many of the new or gone titles have the name and type of one that was or is there, too. */
function namesakeText(rows, snapshot, words) {
  const isThere = (row) => namesakes(row).some((other) => weight(other, snapshot));
  const number = rows.filter(isThere).length;
  return number ? `. ${number === rows.length && number > 1 ? "All" : count(number)} of them ` +
    `${number === 1 ? "shares" : "share"} name and type with a title that ${words}` : "";
}

function titleChanges() {
  const lists = changedRows(), fields = fieldCounts(lists.changed);
  const tab = state.tab ?? TABS.find((name) => lists[name].length) ?? "new";
  const notes = {
    new: typeText(lists.new, "nothing came") +
      namesakeText(lists.new, state.snapshot - 1, "was already there"),
    changed: fields.slice(0, 3).map(fieldText).join(", ") ||
      (lists.changed.length ? "see the history of each title" : "no field of any title"),
    gone: typeText(lists.gone, "nothing left the catalogue") +
      namesakeText(lists.gone, state.snapshot, "is still there"),
  };
  const cards = TABS.map((name) => el("button", {
    type: "button", class: `delta ${name}`, "aria-pressed": tab === name,
    "data-key": `change:${name}`,
    onclick: () => { state.tab = name; state.field = null; commit(); },
  }, ...card(name, lists[name].length, notes[name])));
  let rows = lists[tab];
  if (tab === "changed" && state.field)
    rows = rows.filter((row) => rowChanges(row).length);
  const { compare } = new Intl.Collator("en"), { title: titles } = page.rows;
  const sorted = rows.slice().sort((a, b) => compare(titles[a] ?? "", titles[b] ?? ""));
  const shown = sorted.slice(0, isExpanded(FIGURE) ? MANY : FEW);
  const parts = [el("div", { class: "deltas" }, ...cards)];
  if (tab === "changed" && fields.length > 1) parts.push(fieldButtons(fields));
  if (shown.length)
    parts.push(el("div", { class: "scroll", tabindex: "0", role: "region",
      "aria-label": `Titles: ${tab}` },
    tab === "changed" ? changeTable(shown) : titleTable(shown, COLUMNS)));
  else parts.push(el("p", { class: "note" },
    `No title is ${tab}${hasFilter() ? " among those that fit the filters" : ""}.`));
  const foot = el("div", { class: "foot" });
  if (rows.length > FEW) foot.append(expandButton(FIGURE,
    `Show ${rows.length > MANY ? `the first ${count(MANY)} of` : "all"} ${count(rows.length)}`,
    `Show the first ${FEW}`));
  if (rows.length) foot.append(el("button", {
    type: "button", class: "all", "data-key": "changes:csv",
    onclick: () => (tab === "changed" ? saveChanges(sorted) : saveTitles(tab, sorted)),
  }, `Save ${rows.length > 1 ? `all ${count(rows.length)}` : "it"} as CSV`));
  return [...parts, foot];
}

const saveChanges = (rows) => saveLines("changed", [
  ["id", "show_id", "Title", "Field", "Before", "After"],
  ...rows.flatMap((row) => rowChanges(row).map(({ field, before, after }) =>
    [page.ids[page.rows.title_no[row]], fileId(row), page.rows.title[row] ?? "", field,
      before ?? "", after ?? ""])),
]);

const card = (name, number, note) => [
  el("span", { class: "big" }, `${number ? SIGNS[name] : ""}${count(number)}`),
  el("span", { class: "about" }, el("b", {}, name), ` ${note}`),
];

function fieldButtons(fields) {
  const button = (field, text) => el("button", {
    type: "button", "aria-pressed": state.field === field, "data-key": `field:${field}`,
    onclick: () => { state.field = field; commit(); },
  }, text);
  return el("div", { class: "fields", role: "group", "aria-label": "Field that changed" },
    button(null, "All fields"),
    ...fields.map(([field, { all }]) => button(field, `${field} ${count(all)}`)));
}

const rowChanges = (row) => changesOf(state.snapshot, page.rows.title_no[row])
  .filter(({ field }) => !state.field || field === state.field);

/** A line per field that changed: before and after, and the way to why. */
function changeTable(rows) {
  const lines = rows.flatMap((row) => {
    const changes = rowChanges(row);
    const title = page.rows.title[row];
    const why = el("button", { type: "button", class: "link", "aria-label": `Why? ${title}`,
      "data-key": `why:${page.rows.title_no[row]}`, onclick: () => openTitle(row) }, "Why?");
    if (!changes.length) return [[titleButton(row), "", "", "", why]];
    return changes.map(({ field, before, after }, position) =>
      [position ? "" : titleButton(row), field, oldValue(before), newValue(after),
        position ? "" : why]);
  });
  return table(["Title", "Field", "Before", "After", ""], lines);
}

/** Of a large catalogue: numbers under the filters, and the newest changes whatever they are. */
function countedChanges() {
  const sums = { new: 0, changed: 0, gone: 0 }, { rows, newest } = page;
  if (state.snapshot === last)
    for (let row = 0; row < rows.size; row += 1)
      if (!failedBits(row)) for (const name of TABS) sums[name] += rows[name][row];
  const about = last === 0 ? "in the first snapshot"
    : `since ${onDay(page.snapshots.at[Math.max(0, state.snapshot - 1)])}`;
  const parts = [el("div", { class: "deltas" }, ...TABS.map((name) =>
    el("div", { class: `delta ${name}` }, ...card(name, sums[name], about))))];
  if (!newest.length || state.snapshot !== last) return parts;
  const words = { insert: "new", reappear: "new", update: "changed", fill: "changed",
    delete: "gone" };
  const shown = newest.slice(0, isExpanded(FIGURE) ? MANY : FEW);
  return [...parts,
    el("p", { class: "note" }, `${plural(newest.length, "change")} of the newest snapshot, ` +
      "whatever the filters; all of them: kpi/kpi_last_changes.csv"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Changes" },
      table(["What", "Title", "Field", "Before", "After"], shown.map(
        ([operation, id, title, field, before, after]) => [words[operation] ?? operation,
          title ?? id, field ?? "", field ? oldValue(before) : "", field ? newValue(after) : ""]))),
    newest.length > FEW ? expandButton(FIGURE, `Show all ${count(newest.length)}`,
      `Show the first ${FEW}`) : ""];
}
