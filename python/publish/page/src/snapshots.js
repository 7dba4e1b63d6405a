// Snapshot by snapshot: a line of the titles over columns of what each one changed.

import { answer, byId, count, el, isSmall, legend, numbersTable, onDay, plural } from "./dom.js";
import { commit, hasFilter, oldest, state } from "./address.js";
import { first, isCube, last, page } from "./data.js";
import { failedBits } from "./filter.js";
import { countTick, draw, tipOf, widthOf } from "./plots.js";

const { dot, lineY, ruleX, ruleY, text } = globalThis.Plot;
const FIGURE = "f-snapshots";
const FLOWS = [["new", "good", 1], ["changed", "movie", 1], ["gone", "bad", -1]];
const UPDATE = 1;
const TICK = 70; // pixels of a label on the axis
const MOST_DOTS = 60, MOST_COLUMNS = 120; // snapshots: with more the columns are sums of months

/** Per snapshot the titles, and those that are new, changed and gone; under the filters, if any. */
function countSnapshots() {
  const { rows, snapshots } = page;
  if (isCube || !hasFilter())
    return snapshots.at.map((at, number) => ({ number, time: new Date(at),
      titles: snapshots.titles[number], new: number ? snapshots.new[number] : 0,
      changed: snapshots.changed[number], gone: snapshots.gone[number] }));
  const data = snapshots.at.map((at, number) =>
    ({ number, time: new Date(at), titles: 0, new: 0, changed: 0, gone: 0 }));
  const steps = new Int32Array(last + 2); // how many more titles there are from a snapshot on
  for (let row = 0; row < rows.size; row += 1) {
    if (failedBits(row)) continue;
    const since = rows.since[row], until = rows.until[row];
    steps[since] += 1;
    if (until >= 0) steps[until] -= 1;
    if (since > 0) data[since][rows.operation[row] === UPDATE ? "changed" : "new"] += 1;
    if (until >= 0 && rows.is_gone[row]) data[until].gone += 1;
  }
  let titles = 0;
  for (const entry of data) entry.titles = titles += steps[entry.number];
  return data.slice(first); // before it the page has no titles to filter
}

/** Sums of months where there are too many snapshots for a column each. */
function columnsOf(data) {
  const changes = data.filter((entry) => entry.number > 0);
  if (changes.length <= MOST_COLUMNS) return changes;
  const months = new Map();
  for (const entry of changes) {
    const time = new Date(Date.UTC(entry.time.getUTCFullYear(), entry.time.getUTCMonth(), 15));
    const sum = months.get(+time) ??
      { time, titles: 0, new: 0, changed: 0, gone: 0, isMonth: true };
    sum.titles = entry.titles;
    for (const [name] of FLOWS) sum[name] += entry[name];
    months.set(+time, sum);
  }
  return [...months.values()];
}

const flowText = (entry) =>
  `+${count(entry.new)} new · ${count(entry.changed)} changed · −${count(entry.gone)} gone`;

export function drawSnapshots() {
  const box = byId(FIGURE).querySelector(".plot"), data = countSnapshots();
  if (last === 0) {
    answer(FIGURE, "");
    box.replaceChildren(el("p", { class: "note" },
      `One snapshot so far, of ${onDay(page.snapshots.at[0])}. From the second one on, this ` +
      "shows how many titles there were and what each snapshot changed; “As of” at the top then " +
      "goes back to any of them."));
    return;
  }
  const shown = hasFilter() && !isCube ? "Of the titles that fit the filters. " : "";
  const from = first > 0 && !isCube
    ? ` Titles are here from ${onDay(page.snapshots.at[first])} on.` : "";
  answer(FIGURE, `${shown}Click the line, or move “As of” at the top, to see the whole page as ` +
    `it was then.${from}`);
  const width = Math.max(300, widthOf(box)), span = data.at(-1).time - data[0].time || 1;
  const ends = [new Date(+data[0].time - span * 0.03), new Date(+data.at(-1).time + span * 0.03)];
  const few = data.length <= (isSmall() ? 4 : 12);
  const x = { type: "utc", label: null, domain: ends, ...(few
    ? { ticks: spacedTimes(data, (span * TICK) / width), tickFormat: dayTick }
    : {}) };
  const common = { width, marginLeft: 52, marginRight: 70 };
  const line = drawLine(data, { ...common, x: { ...x, axis: null } });
  line.addEventListener("click", (event) => goTo(event, line, width, data));
  box.replaceChildren(line,
    legend(FLOWS.map(([name, style]) => [style, name])),
    drawFlows(columnsOf(data), { ...common, x }),
    numbersTable("snapshots", ["snapshot", "titles", "new", "changed", "gone"],
      data.slice().reverse().map((entry) => [onDay(entry.time),
        ...["titles", "new", "changed", "gone"].map((name) => count(entry[name]))])));
}

/** The times of the snapshots, the newest for sure, without those that have no room for a label. */
function spacedTimes(data, room) {
  const times = [];
  for (const { time } of data.slice().reverse())
    if (!times.length || times[0] - time >= room) times.unshift(time);
  return times;
}

/** The day of a tick, above its year where that is another one than the tick's before. */
const dayTick = (time, position, times) => {
  const [day, year] = [onDay(time).slice(0, -5), onDay(time).slice(-4)];
  return position && onDay(times[position - 1]).endsWith(year) ? day : `${day}\n${year}`;
};

function drawLine(data, options) {
  const numbers = data.map((entry) => entry.titles);
  const low = Math.min(...numbers), high = Math.max(...numbers), room = (high - low) * 0.15;
  const chosen = data.find((entry) => entry.number === state.snapshot) ?? data.at(-1);
  return draw({
    ...options, height: isSmall() ? 120 : 170, marginTop: 18, marginBottom: 8,
    ariaLabel: "Titles per snapshot",
    y: { label: null, grid: true, ticks: 4, tickFormat: countTick,
      domain: high > low ? [low - room, high + room] : [Math.max(0, low - 1), high + 1] },
    marks: [
      ruleX([chosen.time], { stroke: "var(--soft)", strokeDasharray: "3 3" }),
      lineY(data, { x: "time", y: "titles", stroke: "var(--movie)", strokeWidth: 2,
        curve: "step-after" }),
      dot(data.length > MOST_DOTS ? [chosen] : data, { x: "time", y: "titles",
        fill: "var(--movie)", r: (entry) => (entry === chosen ? 5 : 2.5) }),
      text([data.at(-1)], { x: "time", y: "titles", text: (entry) => count(entry.titles), dx: 9,
        textAnchor: "start", fontWeight: 600 }),
      tipOf(data, "time", "titles", (entry) =>
        `${onDay(entry.time)}: ${plural(entry.titles, "title")}\n${flowText(entry)}`),
    ],
  });
}

function drawFlows(data, options) {
  const room = options.width - options.marginLeft - options.marginRight;
  const thick = Math.max(1.5, Math.min(22, room / data.length / 4));
  return draw({
    ...options, height: isSmall() ? 126 : 162, marginBottom: 38,
    ariaLabel: "New, changed and gone titles per snapshot",
    y: { label: null, grid: true, ticks: 4, tickFormat: countTick,
      ...(data.some((entry) => entry.new + entry.changed + entry.gone) ? {} : { domain: [0, 1] }) },
    marks: [
      ruleY([0], { stroke: "var(--soft)" }),
      ...FLOWS.map(([name, colour, sign], position) => ruleX(
        data.filter((entry) => entry[name] > 0),
        { x: "time", y1: 0, y2: (entry) => sign * entry[name], stroke: `var(--${colour})`,
          strokeWidth: thick * 0.9, dx: (position - 1) * thick })),
      tipOf(data, "time", "new", (entry) =>
        `${entry.isMonth ? "Month of " : ""}${onDay(entry.time)}\n${flowText(entry)}`),
    ],
  });
}

/** Go to the snapshot that is nearest to a click on the line. */
function goTo(event, line, width, data) {
  const { left, width: shown } = line.getBoundingClientRect();
  const time = +line.scale("x").invert(((event.clientX - left) * width) / shown);
  const nearest = data.reduce((best, entry) =>
    (Math.abs(entry.time - time) < Math.abs(best.time - time) ? entry : best));
  state.snapshot = Math.max(oldest(), nearest.number);
  commit();
}
