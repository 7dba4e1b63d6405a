// Charts with axes, by Observable Plot: years and months with a brush, shares, durations.

import {
  byId, count, el, isSmall, legend, monthDate, monthName, monthOfDay, numbersTable, percent, plural,
  DAY,
} from "./dom.js";
import { commit, drawSoon, hasFilter, state } from "./address.js";
import { isExpanded, toggleExpanded } from "./bars.js";
import { page, typeColour, typeStyle } from "./data.js";
import { makeRange } from "./range.js";

const { lineY, plot, pointerX, rectY, ruleY, dot, text, tip } = globalThis.Plot;
const EARLY_SHARE = 0.015; // of the titles: the long tail that a chart folds away
const EARLY_MIN = 6; // bins of it that are worth folding

/** A plot with the look of all of them. Its name is the chart's; ARIA forbids names on groups. */
export function draw(options) {
  const made = plot({
    className: "pl", marginLeft: 44, marginRight: 12, marginTop: 14, marginBottom: 26,
    style: { background: "transparent", fontSize: "12px" }, ...options,
  });
  for (const part of made.querySelectorAll("[aria-label], [aria-description]")) {
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  }
  made.setAttribute("role", "img");
  return made;
}

/** The tip of a plot; `title` makes its text of a datum. */
export const tipOf = (data, x, y, title) =>
  tip(data, pointerX({ x, y, title, fill: "var(--card)", stroke: "var(--line)", fontSize: 12 }));

// Widths are read once per size of the window: reading them between changes costs a layout each.
const widths = new Map();
addEventListener("resize", () => widths.clear());
export function widthOf(box) {
  const { id } = box.closest("figure");
  if (!widths.has(id)) widths.set(id, box.clientWidth);
  return Math.max(260, widths.get(id));
}

/** What differs between the chart of years and that of months. */
const SCALES = {
  year: {
    height: 280, position: (year) => year, width: 1, middle: (year) => year + 0.5, name: String,
    axis: () => ({ label: null, tickFormat: "d", ticks: isSmall() ? 4 : 8 }),
    floor: (value) => Math.floor(value),
  },
  month: {
    height: 220,
    position: (month) => {
      const whole = Math.floor(month);
      return new Date(+monthDate(whole) + (month - whole) * 30 * DAY);
    },
    get width() { return page.isYearly ? 12 : 1; },
    middle: (month) => new Date(+monthDate(month) + (page.isYearly ? 182 : 15) * DAY),
    name: (month) => (page.isYearly ? String(Math.floor(month / 12)) : monthName(month)),
    axis: () => ({ label: null, type: "utc", ticks: isSmall() ? 5 : 14 }),
    floor: (value) => monthOfDay(value / DAY),
  },
};

/** A tick of an axis that counts: nothing is half a title. */
export const countTick = (value) => (Number.isInteger(value) ? count(Math.abs(value)) : "");
const sum = (column) => column.reduce((total, number) => total + number, 0);

/** Where the chart begins: after the long tail, unless the reader asked for all of it. */
function foldEarly(figure, keys, whole) {
  if (isExpanded(figure)) return keys[0];
  const total = sum([...whole.values()].map(sum));
  let early = 0;
  const begin = keys.find((key) => (early += sum(whole.get(key))) > total * EARLY_SHARE);
  return keys.indexOf(begin) < EARLY_MIN ? keys[0] : begin;
}

const drawn = {}; // dimension -> what its brush needs: the chart, its first and last key
const frames = {}; // dimension -> the parts of its figure that stay while the chart is redrawn

function frameOf(dimension) {
  if (!frames[dimension]) {
    const range = makeRange(dimension), fold = el("span");
    frames[dimension] = { range, fold, top: el("div"), bottom: el("div"),
      fields: el("div", { class: "range" }, ...range.parts, fold) };
  }
  return frames[dimension];
}

/** Titles by year or month, stacked by type, on a real axis: what has no title stays a hole. */
export function drawHistogram(figure, dimension, counts) {
  const scale = SCALES[dimension], columns = counts[dimension], whole = counts.whole[dimension];
  const box = byId(figure).querySelector(".plot");
  const keys = [...whole.keys()].sort((a, b) => a - b);
  if (!keys.length) {
    box.replaceChildren(el("p", { class: "note" }, "No title has this date."));
    return;
  }
  const begin = foldEarly(figure, keys, whole), end = keys.at(-1);
  const range = state[dimension];
  const isOn = (key) => !range || (key >= range[0] && key <= range[1]);
  const none = page.names.type.map(() => 0);
  const blocks = [], sums = [], ghosts = [];
  let early = 0;
  for (const key of keys) {
    const column = columns.get(key) ?? none;
    if (key < begin) {
      early += sum(column);
      continue;
    }
    ghosts.push({ key, number: sum(whole.get(key)) });
    let height = 0;
    column.forEach((number, type) => {
      if (number) blocks.push({ key, type, y1: height, y2: (height += number) });
    });
    sums.push({ key, number: height, column });
  }
  const heading = byId(figure).querySelector("h3").textContent;
  const span = {
    x1: (entry) => scale.position(entry.key + 0.06),
    x2: (entry) => scale.position(entry.key + scale.width - 0.06),
  };
  const chart = draw({
    width: widthOf(box), height: isSmall() ? 170 : scale.height,
    ariaLabel: `${heading} ${scale.name(begin)} to ${scale.name(end)}; the numbers are below`,
    x: { ...scale.axis(), domain: [scale.position(begin), scale.position(end + scale.width)] },
    y: {
      label: null, ticks: 4, grid: true, tickFormat: countTick, nice: true,
      domain: [0, Math.max(1, ...ghosts.map((ghost) => ghost.number))],
    },
    marks: [
      ...(hasFilter() ? [rectY(ghosts, { ...span, y: "number", fill: "var(--ghost)" })] : []),
      rectY(blocks, {
        ...span, y1: "y1", y2: "y2", fill: (block) => typeColour(page.names.type[block.type]),
        fillOpacity: (block) => (isOn(block.key) ? 1 : 0.28),
      }),
      ruleY([0], { stroke: "var(--soft)" }),
      tipOf(sums, (entry) => scale.middle(entry.key), "number", (entry) =>
        `${scale.name(entry.key)}: ${plural(entry.number, "title")}\n${page.names.type
          .map((type, code) => `${type} ${count(entry.column[code])}`).join(" · ")}`),
    ],
  });
  drawn[dimension] = { chart, begin, end, scale };
  const fold = early || isExpanded(figure)
    ? el("button", { type: "button", "data-key": `${figure}:fold`,
      onclick: () => toggleExpanded(figure) },
    isExpanded(figure) ? "Show the recent part"
      : `Show ${plural(early, "title")} before ${scale.name(begin)}`)
    : null;
  const rows = keys.slice().reverse().map((key) => {
    const column = columns.get(key) ?? none;
    return [scale.name(key), ...column.map(count), count(sum(column))];
  });
  const frame = frameOf(dimension);
  frame.top.replaceChildren(
    legend(page.names.type.map((type) => [typeStyle(type), type])), chart);
  frame.bottom.replaceChildren(
    numbersTable(heading, [dimension, ...page.names.type, "all"], rows));
  frame.fold.replaceChildren(fold ?? "");
  frame.range.update([keys[0], end]);
  if (!frame.fields.isConnected) box.replaceChildren(frame.top, frame.fields, frame.bottom);
}

/** Drag over a chart to choose a range, click to choose one column, click again to let it go. */
export function watchBrush(figure, dimension) {
  const box = byId(figure).querySelector(".plot");
  let from = null, hasMoved = false, before = null;
  const keyAt = (event) => {
    const { chart, begin, end, scale } = drawn[dimension];
    const svg = chart.tagName === "svg" ? chart : chart.querySelector("svg");
    const { left, width } = svg.getBoundingClientRect();
    const x = ((event.clientX - left) * svg.viewBox.baseVal.width) / width;
    return Math.min(end, Math.max(begin, scale.floor(+chart.scale("x").invert(x))));
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.button || !event.target.closest("svg.pl")) return;
    from = keyAt(event);
    before = state[dimension];
    hasMoved = false;
    if (event.pointerType === "mouse") event.preventDefault();
    event.stopPropagation(); // Plot would pin its tip
  }, true);
  addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = keyAt(event);
    if (to === from && !hasMoved) return;
    hasMoved = true;
    const range = [from, to].sort((a, b) => a - b);
    if (String(range) === String(state[dimension])) return;
    state[dimension] = range;
    drawSoon();
  });
  addEventListener("pointercancel", () => {
    if (from === null) return;
    from = null;
    state[dimension] = before;
    drawSoon();
  });
  addEventListener("pointerup", () => {
    if (from === null) return;
    if (!hasMoved) state[dimension] = state[dimension] ? null : [from, from];
    from = null;
    commit();
  });
}

const SHARE_FROM = 10; // titles of a year: fewer make a share that jumps

/** The share of TV shows among what was added, year by year: the mix as a trend. */
export function shareChart(counts, box) {
  const tv = page.names.type.indexOf("TV Show");
  if (tv < 0 || state.type.size) return null;
  const years = [...counts.typeYears]
    .map(([year, column]) => ({ year, all: sum(column), tv: column[tv] }))
    .sort((a, b) => a.year - b.year);
  const data = years.filter((entry) => entry.all >= SHARE_FROM);
  if (data.length < 3) return null;
  const share = (entry) => (100 * entry.tv) / entry.all, end = data.at(-1);
  const name = "TV shows, in % of the titles added in the year";
  const left = years.filter((entry) => entry.all < SHARE_FROM).map((entry) => entry.year);
  const note = left.length ? ` (without ${left.join(", ")}: fewer than ${SHARE_FROM} titles)` : "";
  return [
    el("p", { class: "sub" }, `${name}${note}`),
    draw({
      width: widthOf(box), height: isSmall() ? 100 : 120, marginLeft: 40, marginRight: 44,
      ariaLabel: name,
      x: { label: null, tickFormat: "d", ticks: data.map((entry) => entry.year)
        .filter((year) => (end.year - year) % Math.ceil(data.length / 5) === 0) },
      y: { label: null, domain: [0, Math.max(10, ...data.map(share)) * 1.1], ticks: 3, grid: true,
        tickFormat: (value) => `${value} %` },
      marks: [
        lineY(data, { x: "year", y: share, stroke: "var(--tv)", strokeWidth: 2 }),
        dot([end], { x: "year", y: share, fill: "var(--tv)", r: 3 }),
        text([end], { x: "year", y: share, text: (entry) => percent(entry.tv, entry.all),
          dx: 7, textAnchor: "start", fontWeight: 600 }),
        tipOf(data, "year", share, (entry) => `${entry.year}: ${count(entry.tv)} of ` +
          `${count(entry.all)} added are TV shows, ${percent(entry.tv, entry.all, 1)}`),
      ],
    }),
    numbersTable(name, ["year", "TV shows", "all", "share"], years.reverse().map((entry) =>
      [String(entry.year), count(entry.tv), count(entry.all), percent(entry.tv, entry.all, 1)])),
  ];
}

const LONGEST = 210, MOST_SEASONS = 8; // minutes and seasons; what is above is in the last column

/** Movies by minutes, all others by seasons. */
export function drawDurations(figure, counts) {
  const box = byId(figure).querySelector(".plot"), made = [];
  const options = { width: widthOf(box), marginLeft: 42, marginRight: 8 };
  const minutes = group(counts.minutes.map((length) => [length, 1]),
    (length) => Math.min(Math.floor(length / 10) * 10, LONGEST));
  const minutesName = (from) =>
    (from === LONGEST ? `${LONGEST} min or more` : `${from} to ${from + 9} min`);
  if (minutes.length) made.push(...columns("Movies by minutes", minutes, "movie", 10, minutesName,
    { ...options, height: 128, x: { label: null, ticks: 6 } }));
  const seasons = group([...counts.seasons], (number) => Math.min(number, MOST_SEASONS));
  const seasonsName = (number) =>
    (number === MOST_SEASONS ? `${number} seasons or more` : plural(number, "season"));
  if (seasons.length) made.push(...columns("TV shows by seasons", seasons, "tv", 1, seasonsName,
    { ...options, height: 112, x: { label: null, domain: [1, MOST_SEASONS + 1],
      ticks: seasons.map(([number]) => number + 0.5),
      tickFormat: (x) => `${Math.floor(x)}${Math.floor(x) === MOST_SEASONS ? "+" : ""}` } }));
  if (!made.length) made.push(el("p", { class: "note" }, "No title has a length."));
  box.replaceChildren(...made);
}

function group(pairs, keyOf) {
  const sums = new Map();
  for (const [value, number] of pairs)
    sums.set(keyOf(value), (sums.get(keyOf(value)) ?? 0) + number);
  return [...sums].sort((a, b) => a[0] - b[0]);
}

function columns(name, data, colour, width, nameOf, options) {
  const gap = width * 0.06;
  return [
    el("p", { class: "sub" }, name),
    draw({
      ...options, ariaLabel: name, y: { label: null, ticks: 3, grid: true, tickFormat: countTick },
      marks: [
        rectY(data, { x1: ([from]) => from + gap, x2: ([from]) => from + width - gap, y1: 0,
          y2: ([, number]) => number, fill: `var(--${colour})` }),
        ruleY([0], { stroke: "var(--soft)" }),
        tipOf(data, ([from]) => from + width / 2, ([, number]) => number,
          ([from, number]) => `${nameOf(from)}: ${plural(number, "title")}`),
      ],
    }),
    numbersTable(name, ["length", "titles"],
      data.map(([from, number]) => [nameOf(from), count(number)])),
  ];
}
