// The choice as a query on netflix.duckdb: the way from a bar to any number of titles. Its rows are
// those that the page counts; a test runs it and compares.

import { monthText } from "./dom.js";
import { state } from "./address.js";
import { last, namesOf, page } from "./data.js";
import { matchPeople, searchWord } from "./filter.js";

const quote = (value) => `'${String(value).replaceAll("'", "''")}'`;
const quoteAll = (values) => values.map(quote).join(", ");
const chosenNames = (key) => [...state[key]].map((code) => namesOf(key)[code]);
const OTHER = "Other"; // what a large catalogue merges its rare names into

const hasThem = (key) => (state.all.has(key) ? "list_has_all" : "list_has_any");

/** Which names a list must have: of a large catalogue only its first or its first two count. */
function listCondition(key, column) {
  const list = `string_split(coalesce(${column}, 'Unknown'), ', ')`;
  const most = page.merged?.[key] ?? 0; // names of a list that the page counts; 0: all
  const members = most ? `${list}[1:${most}]` : list;
  return namesCondition(key, (names) => `${hasThem(key)}(${members}, [${names}])`,
    (names) => `NOT list_has_all([${names}], ${members})`);
}

/** A condition on the chosen names, where "Other" is whatever has no name of its own. */
function namesCondition(key, isOneOf, isAnother) {
  const chosen = chosenNames(key);
  const isMerged = page.merged?.names && chosen.includes(OTHER);
  const parts = [];
  const plain = isMerged ? chosen.filter((name) => name !== OTHER) : chosen;
  if (plain.length) parts.push(isOneOf(quoteAll(plain)));
  if (isMerged) parts.push(isAnother(quoteAll(namesOf(key).filter((name) => name !== OTHER))));
  const word = state.all.has(key) ? "AND" : "OR";
  return parts.length > 1 ? `(${parts.join(` ${word} `)})` : parts[0];
}

function searchCondition(word) {
  const parts = [
    `contains(lower(concat_ws(chr(10), title, title_id, show_id, director)), ${quote(word)})`,
  ];
  const people = matchPeople(word).map((code) => page.people[code]);
  if (people.length) parts.push(
    `list_has_any(string_split(coalesce("cast", ''), ', '), [${quoteAll(people)}])`);
  return parts.length > 1 ? `(${parts.join("\n    OR ")})` : parts[0];
}

function conditions() {
  const where = [];
  for (const key of ["type", "rating"]) if (state[key].size) {
    const column = `coalesce("${key}", 'Unknown')`;
    where.push(namesCondition(key, (names) => `${column} IN (${names})`,
      (names) => `${column} NOT IN (${names})`));
  }
  if (state.country.size) where.push(listCondition("country", "country"));
  if (state.genre.size) where.push(listCondition("genre", "listed_in"));
  if (state.person.size) where.push(`${hasThem("person")}(string_split(concat_ws(', ', ` +
    `"cast", director), ', '), [${quoteAll(chosenNames("person"))}])`);
  if (state.year) {
    const year = page.merged?.decades ? "release_year // 10 * 10" : "release_year";
    where.push(`${year} BETWEEN ${state.year.join(" AND ")}`);
  }
  if (state.month) {
    const [format, from] = page.isYearly ? ["%Y", 4] : ["%Y-%m", 7];
    const ends = state.month.map((month) => monthText(month).slice(0, from));
    where.push(`strftime(date_added, '${format}') BETWEEN ${ends.map(quote).join(" AND ")}`);
  }
  if (searchWord()) where.push(searchCondition(searchWord()));
  if (state.snapshot !== last) {
    const time = page.snapshots.at[state.snapshot].replace("T", " ").slice(0, -1);
    const at = `TIMESTAMP ${quote(time)}`;
    where.push(`valid_from <= ${at} AND (valid_to IS NULL OR valid_to > ${at})`);
  }
  return where;
}

export function writeQuery() {
  const where = conditions();
  const table = state.snapshot === last ? "analytics_netflix_current" : "analytics_netflix_history";
  return [
    'SELECT title_id, title, "type", release_year, date_added, rating, duration, country,',
    "  listed_in",
    `FROM ${table}`,
    ...where.map((condition, position) => `${position ? "  AND" : "WHERE"} ${condition}`),
    "ORDER BY date_added DESC, title_id;",
  ].join("\n");
}
