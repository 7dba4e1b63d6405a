// Cross-filter: one pass over the rows. Each row carries a bit per dimension that it fails; a chart
// ignores its own bit, so that its other bars stay to be chosen.

import { DIMENSIONS, state } from "./address.js";
import { fileId, isCube, isMovie, namesOf, page, weight } from "./data.js";

const BIT = Object.fromEntries(DIMENSIONS.map((key, position) => [key, 1 << position]));
export const PEOPLE_FROM = 3; // letters from which the search looks at the cast, too

let texts = null; // per row what the search looks through
let searched = ""; // the word that `matches` is of
let matches = null; // per row whether it has the word; null: no word

/** The people of the page whose name has the word in it. */
export function matchPeople(word) {
  if (word.length < PEOPLE_FROM) return [];
  const codes = page.people.map((name, code) => (name.toLowerCase().includes(word) ? code : -1));
  return codes.filter((code) => code >= 0);
}

export const searchWord = () => state.search.trim().toLowerCase();

function search() {
  const word = searchWord();
  if (!word) {
    matches = null;
    return;
  }
  if (matches && searched === word) return;
  const { rows } = page;
  texts ??= rows.title.map((title, row) =>
    [title, page.ids[rows.title_no[row]], fileId(row), page.directors[rows.directors[row]]]
      .join("\n").toLowerCase());
  const people = new Set(matchPeople(word));
  matches = Uint8Array.from(texts, (text, row) =>
    text.includes(word) || (people.size > 0 && rows.cast[row].some((code) => people.has(code))));
  searched = word;
}

const outside = (value, range) => value < range[0] || value > range[1];

/** The bits of the dimensions that the row fails; 0: it fits all of them. */
export function failedBits(row) {
  const { rows } = page;
  let bits = 0;
  if (state.type.size && !state.type.has(rows.type[row])) bits |= BIT.type;
  if (state.rating.size && !state.rating.has(rows.rating[row])) bits |= BIT.rating;
  if (state.country.size && misses(page.countrySets[rows.countries[row]], "country"))
    bits |= BIT.country;
  if (state.genre.size && misses(page.genreSets[rows.genres[row]], "genre")) bits |= BIT.genre;
  if (state.person.size && misses(rows.people[row], "person")) bits |= BIT.person;
  if (state.year && (rows.year[row] === null || outside(rows.year[row], state.year)))
    bits |= BIT.year;
  if (state.month && (rows.month[row] < 0 || outside(rows.month[row], state.month)))
    bits |= BIT.month;
  if (matches && !matches[row]) bits |= BIT.search;
  return bits;
}

/** Whether a list of codes has none of the chosen ones; or lacks one, where all are asked for. */
function misses(codes, key) {
  const wanted = state[key];
  if (!state.all.has(key)) return !codes.some((code) => wanted.has(code));
  for (const code of wanted) if (!codes.includes(code)) return true;
  return false;
}

/** Add to the column of a key: titles by type. */
function add(columns, key, type, number) {
  let column = columns.get(key);
  if (!column) columns.set(key, (column = page.names.type.map(() => 0)));
  column[type] += number;
}

const zeros = (key) => new Float64Array(namesOf(key).length);
const noTitles = () => ({
  type: zeros("type"), rating: zeros("rating"), country: zeros("country"),
  genre: zeros("genre"), cast: zeros("person"), director: zeros("person"),
});

function emptyCounts(whole) {
  return {
    total: 0, // titles that fit all filters
    hits: [], // their rows
    whole, // counts of the snapshot without any filter
    all: whole.all, // its titles
    ...noTitles(), // titles by name, each chart under the filters of the others
    fitting: { country: 0, genre: 0 }, // titles under the filters of the other charts
    typeBefore: zeros("type"),
    year: new Map(), month: new Map(), // by type
    withoutYear: 0, withoutMonth: 0,
    genreYears: page.names.genre.map(() => new Map()), // year added -> titles
    typeYears: new Map(), // year added -> titles by type, of the chart of types
    lastMonth: whole.lastMonth, // in which a title of the snapshot was added
    minutes: [], seasons: new Map(), // of movies, of all others
  };
}

/** Count all that the charts show, of the snapshot and the filters that are chosen. */
export function countAll() {
  search();
  const { rows } = page;
  const { snapshot } = state;
  const counts = emptyCounts(countWhole(snapshot));
  for (let row = 0; row < rows.size; row += 1) {
    const before = snapshot > 0 ? weight(row, snapshot - 1) : 0;
    const number = weight(row, snapshot);
    if (!before && !number) continue;
    const failed = failedBits(row);
    if (before && !failed) counts.typeBefore[rows.type[row]] += before;
    if (number) countRow(counts, row, number, failed);
  }
  return counts;
}

let whole = null, wholeOf = -1;

/** Count the titles of a snapshot without any filter: once, until another one is looked at. */
function countWhole(snapshot) {
  if (snapshot === wholeOf) return whole;
  const { rows } = page;
  whole = { ...noTitles(), year: new Map(), month: new Map(), all: 0, lastMonth: 0 };
  for (let row = 0; row < rows.size; row += 1) {
    const number = weight(row, snapshot);
    if (!number) continue;
    const { type, rating, year, month, countries, genres, cast, directors } = read(row);
    whole.all += number;
    if (month > whole.lastMonth) whole.lastMonth = month;
    whole.type[type] += number;
    whole.rating[rating] += number;
    for (const code of countries) whole.country[code] += number;
    for (const code of genres) whole.genre[code] += number;
    for (const code of cast) whole.cast[code] += number;
    for (const code of directors) whole.director[code] += number;
    if (year !== null) add(whole.year, year, type, number);
    if (month >= 0) add(whole.month, month, type, number);
  }
  wholeOf = snapshot;
  return whole;
}

/** The values of a row that the charts count. */
function read(row) {
  const { rows } = page;
  return {
    type: rows.type[row], rating: rows.rating[row], year: rows.year[row], month: rows.month[row],
    countries: page.countrySets[rows.countries[row]], genres: page.genreSets[rows.genres[row]],
    cast: isCube ? [] : rows.cast[row],
    directors: isCube ? [] : (page.directorPeople[rows.directors[row]] ?? []),
  };
}

function countRow(counts, row, number, failed) {
  if (failed & (failed - 1)) return; // in two dimensions: no chart shows it
  const { type, rating, year, month, countries, genres, cast, directors } = read(row);
  const yearAdded = month < 0 ? -1 : Math.floor(month / 12);
  // A chart ignores its own choice, but for "all of these", which each further value narrows.
  const fits = (dimension) => !(state.all.has(dimension) ? failed : failed & ~BIT[dimension]);

  if (fits("type")) {
    counts.type[type] += number;
    if (yearAdded >= 0) add(counts.typeYears, yearAdded, type, number);
  }
  if (fits("rating")) counts.rating[rating] += number;
  if (fits("country")) {
    counts.fitting.country += number;
    for (const code of countries) counts.country[code] += number;
  }
  if (fits("genre")) {
    counts.fitting.genre += number;
    for (const code of genres) {
      counts.genre[code] += number;
      const years = counts.genreYears[code];
      if (yearAdded >= 0) years.set(yearAdded, (years.get(yearAdded) ?? 0) + number);
    }
  }
  if (fits("person")) {
    for (const code of cast) counts.cast[code] += number;
    for (const code of directors) counts.director[code] += number;
  }
  if (fits("year")) {
    if (year === null) counts.withoutYear += number;
    else add(counts.year, year, type, number);
  }
  if (fits("month")) {
    if (month < 0) counts.withoutMonth += number;
    else add(counts.month, month, type, number);
  }
  if (failed) return;
  counts.total += number;
  if (isCube) return;
  counts.hits.push(row);
  const length = page.rows.length[row];
  if (length === null) return;
  if (isMovie(row)) counts.minutes.push(length);
  else counts.seasons.set(length, (counts.seasons.get(length) ?? 0) + 1);
}
