// The titles that fit: a table to sort and search, and the same as CSV and as a query.

import { byId, copyText, count, el, isoDay, isSmall, plural, saveFile } from "./dom.js";
import { commit, drawSoon, snapshotDay, state } from "./address.js";
import { fileId, isCube, isMovie, page } from "./data.js";
import { searchWord } from "./filter.js";
import { jump } from "./focus.js";
import { writeQuery } from "./query.js";

const STEP = 200; // titles that "more" adds
const firstRows = () => (isSmall() ? 8 : 40);
let limit = 0; // rows of the table; set by the first draw
let hits = []; // the rows of the titles that fit

const nameList = (names, codes) => codes.map((code) => names[code]).join(", ");

/** The columns: heading, text of a row, what it sorts by, whether a number. */
const COLUMNS = {
  title: { head: "Title", text: (row) => page.rows.title[row] },
  type: { head: "Type", text: (row) => page.names.type[page.rows.type[row]] },
  year: { head: "Released", text: (row) => page.rows.year[row] ?? "", isNumber: true,
    order: (row) => page.rows.year[row] ?? -1 },
  added: { head: "Added", text: (row) => isoDay(page.rows.added[row]), isNumber: true,
    order: (row) => page.rows.added[row] ?? -1e9 },
  rating: { head: "Rating", text: (row) => page.names.rating[page.rows.rating[row]] },
  length: { head: "Length", text: lengthText, isNumber: true,
    order: (row) => (page.rows.length[row] ?? -1) + (isMovie(row) ? 0 : 1e6) },
  country: { head: "Countries",
    text: (row) => nameList(page.names.country, page.countrySets[page.rows.countries[row]]) },
  genre: { head: "Genres",
    text: (row) => nameList(page.names.genre, page.genreSets[page.rows.genres[row]]) },
  director: { head: "Director", text: (row) => page.directors[page.rows.directors[row]] ?? "" },
};

export function lengthText(row) {
  const length = page.rows.length[row];
  if (length === null) return "";
  return isMovie(row) ? `${length} min` : plural(length, "season");
}

export const openTitle = (row) => {
  state.title = page.rows.title_no[row];
  commit();
};
export const titleButton = (row, text = page.rows.title[row] ?? fileId(row)) =>
  el("button", { type: "button", class: "link", dir: "auto", onclick: () => openTitle(row),
    "data-key": `title:${page.rows.title_no[row]}` }, text);

/** A table of titles; with `isSortable` its heads sort it, and say how it is sorted. */
export function titleTable(rows, keys, isSortable = false) {
  const classes = (key) => `c-${key}${COLUMNS[key].isNumber ? " n" : ""}`;
  const body = rows.map((row) => el("tr", {}, ...keys.map((key) =>
    el("td", { class: classes(key), dir: "auto" },
      key === "title" ? titleButton(row) : String(COLUMNS[key].text(row))))));
  const heads = keys.map((key) => (isSortable ? sortHead(key, classes(key))
    : el("th", { scope: "col", class: classes(key) }, COLUMNS[key].head)));
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...body));
}

function sortHead(key, style) {
  const isDown = state.sort === `-${key}`, isUp = state.sort === key;
  const next = isUp || (!isDown && COLUMNS[key].isNumber) ? `-${key}` : key;
  return el("th", {
    scope: "col", class: style,
    "aria-sort": isDown ? "descending" : isUp ? "ascending" : null,
  }, el("button", {
    type: "button", "data-key": `sort:${key}`, onclick: () => { state.sort = next; commit(); },
  }, COLUMNS[key].head, isDown ? " ↓" : isUp ? " ↑" : ""));
}

function sortedHits() {
  const key = state.sort.replace("-", "");
  const column = COLUMNS[key] ?? COLUMNS.added, sign = state.sort.startsWith("-") ? -1 : 1;
  const order = column.order ?? ((row) => String(column.text(row)).toLowerCase());
  return hits.map((row) => [order(row), row])
    .sort(([a, rowA], [b, rowB]) => (a < b ? -sign : a > b ? sign : rowA - rowB))
    .map(([, row]) => row);
}

/** Where a check names what is searched: a record that waits is no title, but it is in the file. */
function namedBy() {
  const word = searchWord(), found = page.audit.failures
    .filter(([, text]) => word && text.toLowerCase().includes(word)).map(([name]) => name);
  return found.length ? [` What you search stands in a row of the check ${[...new Set(found)]
    .join(", ")}: `, el("button", { type: "button", class: "link", "data-key": "trust",
    onclick: () => jump("trust") }, "Can it be trusted?")] : [];
}

export function drawTitles(counts) {
  byId("sql").textContent = writeQuery();
  hits = counts.hits;
  if (isCube) {
    byId("found").textContent = `${plural(counts.total, "title")} ${counts.total === 1 ? "fits" :
      "fit"} the filters: too many for a page to list, so it holds their counts. The query lists ` +
      "them from netflix.duckdb, which is next to this page.";
    return;
  }
  limit ||= firstRows();
  const rows = sortedHits();
  const made = titleTable(rows.slice(0, limit), Object.keys(COLUMNS), true);
  byId("title-table").replaceChildren(
    rows.length ? made
      : el("p", { class: "note empty" }, "No title fits the filters.", ...namedBy()));
  byId("found").textContent =
    plural(rows.length, "title") + (rows.length > limit ? `, the first ${count(limit)} shown` : "");
  byId("more").hidden = rows.length <= limit;
  byId("more").textContent = `Show ${count(Math.min(STEP, rows.length - limit))} more`;
}

/** After another choice the table begins at its first rows again. */
export const resetLimit = () => { limit = firstRows(); };

// What a spreadsheet would run, also behind blanks and in full width: as publish/exports.py has it.
const FORMULA = /^[\s\0]*[=+\-@＝＋－＠]|^[\t\r\n]/;

/** A cell of a CSV file: quoted, and never a formula. */
export function csvCell(value) {
  const text = String(value);
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

/** Save lines as a CSV file that is named after its content and the snapshot. */
export function saveLines(name, lines) {
  const text = lines.map((line) => line.map(csvCell).join(",")).join("\r\n");
  saveFile(`${name}_${snapshotDay(state.snapshot)}.csv`, `\ufeff${text}\r\n`);
}

export function saveTitles(name, rows) {
  const keys = Object.keys(COLUMNS);
  saveLines(name, [["id", "show_id", ...keys.map((key) => COLUMNS[key].head)],
    ...rows.map((row) => [page.ids[page.rows.title_no[row]], fileId(row),
      ...keys.map((key) => COLUMNS[key].text(row))])]);
}

const TYPING = 400; // milliseconds of rest after which all is drawn

export function watchTitles() {
  if (isCube) {
    for (const id of ["search-field", "csv", "title-table", "more"]) byId(id).hidden = true;
    byId("sql").closest("details").open = true;
  }
  byId("more").addEventListener("click", () => { limit += STEP; drawSoon(); });
  byId("csv").addEventListener("click", () => saveTitles("titles", sortedHits()));
  byId("copy-sql").addEventListener("click", (event) =>
    copyText(event.currentTarget, byId("sql").textContent, () => {
      getSelection().selectAllChildren(byId("sql"));
      return "Selected";
    }));
  let rest = 0;
  byId("search").addEventListener("input", (event) => {
    state.search = event.target.value;
    clearTimeout(rest);
    rest = setTimeout(() => { resetLimit(); commit({ replace: true }); }, TYPING);
  });
}
