// The page: unpack the data, draw everything, draw again after each choice.

import {
  answer, byId, copyText, count, el, isSmall, monthName, onDay, percent, plural, signed, watchTips,
  DAY,
} from "./dom.js";
import {
  clearFilters, commit, drawSoon, hasFilter, oldest, onChange, readAddress, state, toggle,
  unknownNames,
} from "./address.js";
import { drawBars, onExpand, watchArrows } from "./bars.js";
import { drawChanges } from "./changes.js";
import { drawChips } from "./chips.js";
import { isCube, kind, last, page, typeStyle, unpack } from "./data.js";
import { drawDetail, watchDetail } from "./detail.js";
import { countAll } from "./filter.js";
import { noteFocus, watchJumps } from "./focus.js";
import { describeOthers, drawLineage, linkCharts } from "./lineage.js";
import { buildMap, paintMap } from "./map.js";
import { drawDurations, drawHistogram, shareChart, watchBrush } from "./plots.js";
import { drawSnapshots } from "./snapshots.js";
import { spark } from "./spark.js";
import { drawTitles, resetLimit, watchTitles } from "./titles.js";
import { drawTrust } from "./trust.js";

const b = (text) => el("b", {}, text);

/** The age of the data by the reader's clock: Python cannot know when the page is opened. */
function tellAge() {
  const pill = byId("age"), limit = +pill.dataset.freshDays;
  const age = Math.floor((Date.now() - new Date(pill.dataset.at)) / DAY);
  const isOld = age > limit;
  pill.className = isOld ? "fail" : age > 1 ? "warn" : "good";
  pill.append(`, ${age < 1 ? "less than a day" : plural(age, "day")} old` +
    `${isOld ? ": too old" : ""}, limit ${count(limit)}`);
}

/** Lead to the files next to the page, if it is where it was published: a copy has none. */
function linkFiles() {
  const inPlace = location.protocol === "file:"
    ? /\/(published|current|versions\/[^/]+)\/dashboard\.html$/ : /^http.*\/dashboard\.html$/;
  if (!inPlace.test(location.href.split(/[?#]/)[0])) return;
  for (const file of document.querySelectorAll("code[data-file]"))
    file.replaceWith(el("a", { href: file.dataset.file }, file.textContent));
}

/** The sentence of the newest snapshot is in the HTML; of an older one it is made here. */
let newestHeadline = null;
function drawHeadline() {
  const { snapshots } = page, number = state.snapshot, box = byId("headline");
  newestHeadline ??= [...box.childNodes];
  if (number === last) {
    box.replaceChildren(...newestHeadline);
    return;
  }
  const titles = snapshots.titles[number], day = onDay(snapshots.at[number]);
  const moved = snapshots.moved[number];
  if (number === 0) {
    box.replaceChildren(b(plural(titles, "title")), ` in the first snapshot, of ${day}.`);
    return;
  }
  box.replaceChildren(`As of ${day}: `, b(plural(snapshots.new[number], "new title")),
    `, ${count(snapshots.changed[number])} changed, ${snapshots.gone[number] ? count(
      snapshots.gone[number]) : "none"} gone since ${onDay(snapshots.at[number - 1])}` +
    `${moved ? `; ${plural(moved, "of these seems", "of these seem")} to be there under another ` +
      "id or year" : ""}. ` +
    `${count(titles)} in the catalogue then.`);
}

function drawBar(counts) {
  byId("as-of").hidden = last === 0;
  Object.assign(byId("slider"), { min: oldest(), max: last, value: state.snapshot });
  byId("slider").setAttribute("aria-valuetext", onDay(page.snapshots.at[state.snapshot]));
  byId("slider-day").textContent = onDay(page.snapshots.at[state.snapshot]);
  byId("newest").hidden = state.snapshot === last;
  byId("bar").classList.toggle("past", state.snapshot !== last);
  byId("earlier").setAttribute("aria-disabled", state.snapshot <= oldest()); // keeps the focus
  byId("later").setAttribute("aria-disabled", state.snapshot === last);
  for (const note of document.querySelectorAll(".of-newest")) {
    note.hidden = state.snapshot === last;
    note.textContent = "What stands here is of the newest snapshot, of " +
      `${onDay(page.snapshots.at[last])}, not of the one that is shown.`;
  }
  byId("total").replaceChildren(b(count(counts.total)),
    hasFilter() ? ` of ${plural(counts.all, "title")}` : counts.total === 1 ? " title" : " titles");
  drawChips();
  byId("clear").hidden = !hasFilter();
  byId("unknown").hidden = !unknownNames.length;
  byId("unknown").textContent = `Not in this catalogue, left out of the link: ${unknownNames
    .join(", ")}`;
  if (document.activeElement !== byId("search")) byId("search").value = state.search;
}

function drawTypes(counts) {
  const box = byId("f-type").querySelector(".plot"), { type: types } = page.names;
  const sum = counts.type.reduce((total, number) => total + number, 0);
  const buttons = types.map((type, code) => {
    const change = counts.type[code] - counts.typeBefore[code];
    return el("button", {
      type: "button", "aria-pressed": state.type.has(code), "data-key": `f-type:${code}`,
      onclick: () => toggle("type", code),
    },
    el("span", { class: "name" }, type),
    el("span", { class: "since" }, state.snapshot && !state.type.size
      ? `${signed(change)} since the snapshot before` : ""),
    el("span", { class: "big" }, count(counts.type[code]), " ",
      el("small", {}, percent(counts.type[code], sum, 1))),
    el("svg:svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      el("svg:rect", { class: "ghost", width: 100, height: 10 }),
      el("svg:rect", { class: typeStyle(type), height: 10,
        width: (100 * counts.type[code]) / Math.max(1, sum) })));
  });
  box.replaceChildren(el("div", { class: "split" }, ...buttons),
    ...(shareChart(counts, box) ?? []));
  const code = counts.type.indexOf(Math.max(...counts.type));
  if (sum) answer("f-type", b(percent(counts.type[code], sum)),
    ` of the titles are ${kind(types[code], 2)}.`);
  else answer("f-type", "No title fits the filters.");
}

function tellDates(figure, dimension, counts, name, without) {
  const range = state[dimension];
  if (range) {
    const [from, to] = range.map(name);
    answer(figure, b(from === to ? from : `${from} to ${to}`),
      ` chosen: ${plural(counts.total, "title")}.`);
    return;
  }
  let most = null, top = 0;
  for (const [key, column] of counts[dimension]) {
    const number = column.reduce((total, value) => total + value, 0);
    if (number > top) [most, top] = [key, number];
  }
  if (most === null) answer(figure, "No title fits the filters.");
  else answer(figure, "Most: ", b(`${name(most)} (${count(top)})`), ". Drag to choose a part.",
    without ? ` ${plural(without, "title")} without a date.` : "");
}

function drawCountries(counts) {
  const { country: names } = page.names;
  const known = [...names.keys()].filter((code) =>
    counts.country[code] && !["Unknown", "Other"].includes(names[code]));
  known.sort((x, y) => counts.country[y] - counts.country[x]);
  const unknown = counts.country[names.indexOf("Unknown")] ?? 0;
  const without = unknown ? ` ${plural(unknown, "title names", "titles name")} none.` : "";
  const share = percent(counts.country[known[0]], counts.fitting.country);
  if (known.length) answer("f-map", b(plural(known.length, "country", "countries")),
    `; ${names[known[0]]} in ${share} of the titles.`, without);
  else answer("f-map", "No title that fits names a country.", without);
  paintMap(counts.country);
  drawBars("f-country", "country", counts.country, counts.whole.country,
    { top: 13, skip: ["Unknown"] });
}

const SPARK_YEARS = 10;

function drawGenres(counts) {
  const years = counts.genreYears.flatMap((map) => [...map.keys()]);
  const to = Math.max(...years), from = Math.max(Math.min(...years), to - SPARK_YEARS + 1);
  const span = years.length ? Array.from({ length: to - from + 1 }, (_, year) => from + year) : [];
  const isPartial = counts.lastMonth % 12 < 11; // the last year is not over
  drawBars("f-genre", "genre", counts.genre, counts.whole.genre, {
    top: 18,
    spark: (code) => spark(page.names.genre[code], span, counts.genreYears[code], isPartial),
    sparkHead: span.length ? `added ${from}–${to}` : "",
  });
  const code = counts.genre.indexOf(Math.max(...counts.genre));
  if (counts.genre[code]) answer("f-genre", b(page.names.genre[code]),
    ` in ${percent(counts.genre[code], counts.fitting.genre)} of the titles; a title counts in ` +
    "each of its genres.");
  else answer("f-genre", "No title fits the filters.");
}

function drawRatings(counts) {
  const audience = (code) => page.audiences[page.names.rating[code]] ?? ["unrated", 99];
  drawBars("f-rating", "rating", counts.rating, counts.whole.rating, { groups: audience });
  let adults = 0, all = 0;
  counts.rating.forEach((number, code) => {
    all += number;
    if (audience(code)[0] === "adults") adults += number;
  });
  answer("f-rating", b(percent(adults, all)), " are rated for adults.");
}

function drawPeople(counts) {
  drawBars("f-cast", "person", counts.cast, counts.whole.cast, { top: 13 });
  drawBars("f-director", "person", counts.director, counts.whole.director, { top: 13 });
}

function drawLengths(counts) {
  drawDurations("f-length", counts);
  const minutes = counts.minutes.sort((x, y) => x - y), one = counts.seasons.get(1) ?? 0;
  const shows = [...counts.seasons.values()].reduce((sum, number) => sum + number, 0);
  answer("f-length",
    ...(minutes.length ? ["Half of the movies run ", b(`${minutes[minutes.length >> 1]} min`),
      " or less. "] : []),
    ...(shows ? [b(percent(one, shows)), " of the shows have one season."] : []));
}

/** What is drawn, by the id of the part that has to be on the screen while a brush moves. */
const PARTS = {
  "f-type": drawTypes,
  "f-year": (counts) => {
    drawHistogram("f-year", "year", counts);
    tellDates("f-year", "year", counts, String, counts.withoutYear);
  },
  "f-month": (counts) => {
    drawHistogram("f-month", "month", counts);
    tellDates("f-month", "month", counts, monthName, counts.withoutMonth);
  },
  "f-map": drawCountries,
  "f-genre": drawGenres,
  "f-rating": drawRatings,
  "f-length": (counts) => { if (!isCube) drawLengths(counts); },
  "f-cast": (counts) => { if (!isCube) drawPeople(counts); },
  changed: drawChanges,
  titles: drawTitles,
  history: drawSnapshots,
};
const visible = new Set();

/** Draw the page of the choice; `onlyVisible`: what is on the screen, while something moves. */
function draw({ onlyVisible = false } = {}) {
  const begin = performance.now(), counts = countAll(), counted = performance.now();
  const giveFocusBack = noteFocus();
  drawHeadline();
  drawBar(counts);
  for (const [id, drawPart] of Object.entries(PARTS))
    if (!onlyVisible || visible.has(id)) drawPart(counts);
  giveFocusBack();
  drawDetail();
  Object.assign(document.documentElement.dataset, { // for the benchmark
    counted: (counted - begin).toFixed(1), drawn: (performance.now() - begin).toFixed(1),
  });
}

function watchBar() {
  const go = (number) => { state.snapshot = number; commit(); };
  byId("slider").addEventListener("input", (event) => {
    state.snapshot = +event.target.value;
    drawSoon();
  });
  byId("slider").addEventListener("change", () => commit());
  byId("earlier").addEventListener("click", () => go(Math.max(oldest(), state.snapshot - 1)));
  byId("later").addEventListener("click", () => go(Math.min(last, state.snapshot + 1)));
  byId("newest").addEventListener("click", () => go(last));
  byId("clear").addEventListener("click", clearFilters);
  byId("link").addEventListener("click", (event) =>
    copyText(event.currentTarget, location.href, () => "It is in the address bar"));
}

const FOLDED = [
  "f-country", "f-rating", "f-length", "f-cast", "f-director", "row-counts", "completeness",
  "runs", "f-lineage",
];

/** On a phone the lesser parts are closed at first; a heading opens its own. */
function foldOnPhones() {
  for (const id of FOLDED) {
    const plot = byId(id).querySelector(".plot"), heading = byId(id).querySelector("h3");
    plot.hidden = true;
    heading.replaceChildren(el("button", {
      type: "button", class: "fold", "aria-expanded": "false",
      onclick: (event) => {
        plot.hidden = !plot.hidden;
        event.currentTarget.setAttribute("aria-expanded", String(!plot.hidden));
        draw();
      },
    }, heading.textContent));
  }
}

function redraw(options = {}) {
  if (!options.onlyVisible) resetLimit();
  draw(options);
}

async function start() {
  watchTips();
  tellAge();
  linkFiles();
  if (typeof DecompressionStream === "undefined") {
    byId("notice").textContent = "This page needs a browser of 2023 or newer to draw the rest.";
    return;
  }
  await unpack();
  byId("content").hidden = byId("bar").hidden = false;
  if (isCube) for (const id of ["f-length", "f-cast", "f-director"]) byId(id).hidden = true;
  byId("remark").textContent = page.remark;
  onChange(redraw);
  onExpand(draw);
  watchBar();
  watchTitles();
  watchDetail();
  watchArrows();
  watchJumps();
  buildMap("f-map");
  drawTrust();
  drawLineage();
  linkCharts();
  describeOthers();
  if (isSmall()) foldOnPhones();
  readAddress();
  redraw();
  watchBrush("f-year", "year");
  watchBrush("f-month", "month");
  addEventListener("popstate", () => { readAddress(); redraw(); });
  let rest = 0;
  addEventListener("resize", () => {
    clearTimeout(rest);
    rest = setTimeout(() => { draw(); drawLineage(); }, 150);
  });
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      visible[isIntersecting ? "add" : "delete"](target.id);
  }, { rootMargin: "80px" });
  for (const id of Object.keys(PARTS)) observer.observe(byId(id));
  document.documentElement.dataset.ready = Math.round(performance.now());
}

start();
