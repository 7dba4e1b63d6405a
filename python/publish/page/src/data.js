// What the page holds: unpacked once, then read-only. The README next to this folder has its shape.

import { byId, monthOfDay } from "./dom.js";

/** Everything; filled by `unpack`. */
export const page = {};
export const FORMAT = 2;

// A large catalogue comes as counted cells instead of titles (see README.md): then there is no list
// of titles and no history of one, and a row stands for `weight` titles.
export let isCube = false;
export let last = 0; // the number of the newest snapshot
export let first = 0; // the oldest snapshot of which the titles are here

export async function unpack() {
  const packed = Uint8Array.from(atob(byId("data").textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  Object.assign(page, await new Response(stream).json());
  byId("data").remove();
  if (page.format !== FORMAT) throw new Error(`data of format ${page.format}, not ${FORMAT}`);
  isCube = page.mode === "cube";
  last = page.snapshots.at.length - 1;
  first = page.first;
  const { rows } = page;
  rows.size = rows.type.length;
  if (isCube) {
    rows.month = Int32Array.from(rows.month, (month) => month ?? -1);
    return;
  }
  rows.month = Int32Array.from(rows.added, (day) => (day === null ? -1 : monthOfDay(day)));
  rows.people = rows.cast.map((cast, row) => {
    const directors = page.directorPeople[rows.directors[row]] ?? [];
    return directors.length ? [...new Set([...cast, ...directors])] : cast;
  });
  page.versionsOf = page.ids.map(() => []);
  rows.title_no.forEach((title, row) => page.versionsOf[title].push(row));
}

/** The names behind the codes of a dimension. */
export const namesOf = (dimension) =>
  dimension === "person" ? page.people : page.names[dimension];

/** How many titles of a snapshot a row stands for. */
export function weight(row, snapshot) {
  const { rows } = page;
  if (isCube) {
    if (snapshot === last) return rows.now[row];
    return snapshot === last - 1 ? rows.before[row] : 0;
  }
  const until = rows.until[row];
  return rows.since[row] <= snapshot && (until < 0 || until > snapshot) ? 1 : 0;
}

/** The id that the file has for the title of a row: it may be another one in each snapshot. */
export const fileId = (row) => page.rows.show_id[row] ?? page.ids[page.rows.title_no[row]];

let named = null; // name and type -> rows
const nameKey = (row) => `${page.rows.type[row]}:${page.rows.title[row]?.trim().toLowerCase()}`;

/** The rows of other titles with the name and type of this one's. */
export function namesakes(row) {
  if (!named) {
    named = new Map();
    for (let other = 0; other < page.rows.size; other += 1) {
      const key = nameKey(other);
      if (named.has(key)) named.get(key).push(other);
      else named.set(key, [other]);
    }
  }
  if (!page.rows.title[row]) return [];
  return named.get(nameKey(row))
    .filter((other) => page.rows.title_no[other] !== page.rows.title_no[row]);
}

export const isMovie = (row) => page.names.type[page.rows.type[row]] === "Movie";

const KINDS = { Movie: ["movie", "movies"], "TV Show": ["TV show", "TV shows"] };
export const kind = (type, number) => (KINDS[type] ?? [type, type])[number === 1 ? 0 : 1];

// A type has a colour by its name: whichever is the more frequent one.
export const typeStyle = (type) => ({ Movie: "movie", "TV Show": "tv" })[type] ?? "other";
export const typeColour = (type) =>
  ({ movie: "var(--movie)", tv: "var(--tv)", other: "var(--soft)" })[typeStyle(type)];
