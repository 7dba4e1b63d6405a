// Where it comes from and what it means: the graph from the file to the KPIs, and the dictionary.

import { byId, el, plural, table } from "./dom.js";
import { page } from "./data.js";
import { jump } from "./focus.js";

const SHOWN_FIRST = "kpi_top_genres"; // its way from the file is lit when the page is opened
const BOX = { least: 112, most: 148, height: 34, gapX: 20, gapY: 6 };

/** The depth of each table: one more than the deepest that it is made from. */
function depths(names, edges) {
  const depth = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round += 1)
    for (const [from, to] of edges)
      if (depth.get(to) <= depth.get(from)) depth.set(to, depth.get(from) + 1);
  const deepest = Math.max(...depth.values()); // where the answers stand
  for (const name of names) if (name.startsWith("kpi_")) depth.set(name, deepest);
  return depth;
}

/** All that leads to a table (`side` 1 to 0) or comes of it (0 to 1). */
function reach(name, edges, from, to) {
  const found = new Set(), open = [name];
  while (open.length) {
    const next = open.pop();
    for (const edge of edges)
      if (edge[from] === next && !found.has(edge[to])) {
        found.add(edge[to]);
        open.push(edge[to]);
      }
  }
  return found;
}

/** The way from the file to a table: all that lies on it, by depth. */
function pathTo(name, edges, depth) {
  const stages = [];
  for (const source of [...reach(name, edges, 1, 0)].sort())
    (stages[depth.get(source)] ??= []).push(source);
  return [...stages.filter(Boolean).map((names) => names.join(", ")), name];
}

let select = () => {}; // a table of the graph
let selected = SHOWN_FIRST;

/** On a chart the name of the table that has its numbers; it leads to where they come from. */
export function linkCharts() {
  const names = new Set(page.lineage.flat());
  for (const figure of document.querySelectorAll("[data-table]")) {
    const name = figure.dataset.table;
    if (names.has(name)) figure.querySelector("h3").before(el("button", {
      type: "button", class: "link source", "aria-label": `Where it comes from: ${name}`,
      onclick: () => { select(name); jump("f-lineage"); },
    }, name));
  }
}

export function drawLineage() {
  const { lineage: edges, tables } = page;
  const names = [...new Set(edges.flat())];
  const depth = depths(names, edges), places = new Map(), columns = [];
  for (const name of names.sort()) (columns[depth.get(name)] ??= []).push(name);
  const tallest = Math.max(...columns.map((column) => column.length));
  const step = BOX.height + BOX.gapY, room = byId("graph").clientWidth + BOX.gapX;
  const wide = Math.max(BOX.least,
    Math.min(BOX.most, Math.floor(room / columns.length) - BOX.gapX));
  columns.forEach((column, x) => column.forEach((name, y) => places.set(name, {
    x: x * (wide + BOX.gapX), y: (y + (tallest - column.length) / 2) * step,
  })));
  const width = columns.length * (wide + BOX.gapX) - BOX.gapX, height = tallest * step;
  const paths = edges.map(([from, to]) => {
    const a = places.get(from), b = places.get(to);
    const x1 = a.x + wide, y1 = a.y + BOX.height / 2, y2 = b.y + BOX.height / 2;
    const middle = (x1 + b.x) / 2;
    return el("svg:path", { d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${b.x} ${y2}` });
  });
  select = (chosen) => {
    selected = chosen;
    const sources = reach(chosen, edges, 1, 0), results = reach(chosen, edges, 0, 1);
    const isNear = (name) => name === chosen || sources.has(name) || results.has(name);
    edges.forEach(([from, to], position) =>
      paths[position].classList.toggle("near", (sources.has(from) || from === chosen) &&
        (sources.has(to) || to === chosen) || (results.has(to) || to === chosen) &&
        (results.has(from) || from === chosen)));
    for (const [name, button] of buttons) {
      button.setAttribute("aria-pressed", name === chosen);
      button.classList.toggle("far", !isNear(name));
    }
    describe(chosen, edges, tables, pathTo(chosen, edges, depth));
  };
  const buttons = new Map(names.map((name) => {
    const known = tables.some((entry) => entry.name === name);
    const button = el("button", { type: "button", class: known ? "table" : "inner",
      "aria-pressed": "false", "data-tip": name, onclick: () => select(name) },
    ...name.split(/(?<=_)/).flatMap((part) => [part, el("wbr")]));
    const { x, y } = places.get(name);
    button.style.transform = `translate(${x}px, ${y}px)`;
    button.style.width = `${wide}px`;
    return [name, button];
  }));
  const sheet = el("div", { class: "sheet" },
    el("svg:svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      ...paths), ...buttons.values());
  sheet.style.width = `${width}px`;
  sheet.style.height = `${height}px`;
  byId("graph").replaceChildren(sheet);
  select(names.includes(selected) ? selected : names[0]);
}

function describe(name, edges, tables, path) {
  const entry = tables.find((other) => other.name === name);
  const near = (from, to) => edges.filter((edge) => edge[to] === name).map((edge) => edge[from]);
  const sources = near(0, 1), results = near(1, 0);
  byId("meaning").replaceChildren(
    el("h3", {}, el("code", {}, name)),
    el("p", { class: "answer" }, entry ? entry.comment
      : "It is inside the warehouse, and not published."),
    path.length > 1 ? el("p", { class: "answer path" }, `From the file: ${path.join(" → ")}.`) : "",
    el("p", { class: "answer" }, sources.length ? `Made from ${sources.join(", ")}. ` : "",
      results.length ? `Goes into ${results.join(", ")}.` : ""),
    entry ? table(["Column", "Type", "What it means"], entry.columns.map(
      ([column, type, comment]) => [el("code", {}, column), type.toLowerCase(), comment])) : "");
}

/** The published tables that no arrow leads to: the records of the runs. */
export function describeOthers() {
  const inGraph = new Set(page.lineage.flat());
  const others = page.tables.filter((entry) => !inGraph.has(entry.name));
  byId("others").textContent = others.length
    ? `${plural(others.length, "other table")} of records: ${others.map((entry) =>
      entry.name).join(", ")}; dictionary.md has their columns.` : "";
}
