"use strict";
// Draws the page from the JSON in #data. Text is set by textContent only; nothing is fetched.
const data = JSON.parse(document.getElementById("data").textContent);
const cube = data.cube;
const lists = ["country", "genre"];
const chosen = { type: null, country: null, genre: null, rating: null };
const span = { from: null, to: null };
const number = new Intl.NumberFormat("en-US");
const byId = (id) => document.getElementById(id);

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== null && text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function fits(at) {
  for (const key of ["type", "rating"])
    if (chosen[key] !== null && cube[key][at] !== chosen[key]) return false;
  for (const key of lists)
    if (chosen[key] !== null && !cube[key][at].includes(chosen[key])) return false;
  return true;
}

function inSpan(year) {
  if (span.from !== null && (year === null || year < span.from)) return false;
  return span.to === null || (year !== null && year <= span.to);
}

// What the choice leaves: a number of titles per name of each chart, now and in the snapshot before.
// The years are counted without the span that is chosen among them: there is something to brush.
function count() {
  const sums = { titles: 0, new: 0, changed: 0, gone: 0, type: new Map(), country: new Map(),
    genre: new Map(), rating: new Map(), year: new Map(), added: new Map(), genreYear: new Map(),
    before: { titles: 0, type: new Map(), country: new Map(), genre: new Map() } };
  const add = (map, key, n) => n && map.set(key, (map.get(key) || 0) + n);
  for (let at = 0; at < cube.titles.length; at += 1) {
    if (!fits(at)) continue;
    const n = cube.titles[at];
    const earlier = cube.titles_before[at];
    add(sums.year, cube.year[at], n);
    if (!inSpan(cube.year[at])) continue;
    sums.titles += n;
    sums.new += cube.new_titles[at];
    sums.changed += cube.changed_titles[at];
    sums.gone += cube.gone_titles[at];
    sums.before.titles += earlier;
    add(sums.before.type, cube.type[at], earlier);
    for (const key of ["type", "rating", "added"]) add(sums[key], cube[key][at], n);
    for (const key of lists)
      for (const code of cube[key][at]) {
        add(sums[key], code, n);
        add(sums.before[key], code, earlier);
      }
    const added = cube.added[at] ? cube.added[at].slice(0, 4) : null;
    if (added) for (const code of cube.genre[at]) add(sums.genreYear, `${code}|${added}`, n);
  }
  return sums;
}

function bars(key, title, sums) {
  const figure = element("figure", null, { "data-chart": key });
  figure.append(element("h2", title));
  const list = element("ul", null, { class: "bars" });
  const names = cube.names[key];
  const rows = [...sums[key]].sort((a, b) => b[1] - a[1] || (names[a[0]] < names[b[0]] ? -1 : 1));
  const most = rows.length ? rows[0][1] : 1;
  for (const [code, titles] of rows.slice(0, 60)) {
    const button = element("button", null, { type: "button", "aria-pressed": chosen[key] === code,
      "data-name": names[code] });
    button.append(element("span", names[code], { class: "name", dir: "auto" }));
    const picture = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none",
      "aria-hidden": "true" });
    picture.append(svg("rect", { width: (100 * titles) / most, height: 10 }));
    button.append(picture, element("span", number.format(titles), { class: "count" }));
    button.addEventListener("click", () => choose(key, code));
    const item = element("li");
    item.append(button);
    list.append(item);
  }
  figure.append(list);
  if (rows.length > 60) figure.append(element("p", `and ${rows.length - 60} more`));
  return figure;
}

function worldMap(sums) {
  const figure = element("figure", null, { "data-chart": "map" });
  figure.append(element("h2", "Countries on the map"));
  const places = new Map();
  let most = 1;
  for (const [code, titles] of sums.country) {
    const place = data.places[cube.names.country[code]];
    if (!place) continue;
    places.set(place, { code, titles });
    most = Math.max(most, titles);
  }
  const picture = svg("svg", { class: "map", viewBox: data.world.viewBox, role: "img",
    "aria-label": `World map of ${places.size} countries; the list beside it has the numbers` });
  const shape = (place, tag, attributes) => {
    const found = places.get(place);
    const made = svg(tag, attributes);
    if (found) {
      const name = cube.names.country[found.code];
      made.setAttribute("class", chosen.country === found.code ? "on" : "known");
      made.setAttribute("fill-opacity",
        (0.15 + (0.85 * Math.log(1 + found.titles)) / Math.log(1 + most)).toFixed(2));
      made.setAttribute("data-name", name);
      const tip = svg("title", {});
      tip.textContent = `${name}: ${number.format(found.titles)}`;
      made.append(tip);
      made.addEventListener("click", () => choose("country", found.code));
    }
    picture.append(made);
  };
  for (const [place, d] of Object.entries(data.world.shapes)) shape(place, "path", { d });
  for (const [place, [cx, cy]] of Object.entries(data.world.points))
    if (places.has(place)) shape(place, "circle", { cx, cy, r: 5 });
  const scale = element("div", null, { class: "axis", "aria-hidden": "true" });
  scale.append(element("span", "no titles"), element("span", `strongest: ${number.format(most)}`));
  figure.append(picture, scale);
  return figure;
}

function columns(key, title, rows, marked) {
  const figure = element("figure", null, { "data-chart": key });
  figure.append(element("h2", title));
  if (!rows.length) return figure;
  const most = Math.max(...rows.map((row) => row[1]));
  const best = rows.find((row) => row[1] === most);
  const picture = svg("svg", { class: "columns", viewBox: `0 0 ${rows.length} 100`, role: "img",
    preserveAspectRatio: "none",
    "aria-label": `${title}: from ${rows[0][0]} to ${rows[rows.length - 1][0]}, most in ${best[0]} with ${number.format(most)}` });
  rows.forEach(([name, titles], at) => {
    const height = (100 * titles) / most;
    const bar = svg("rect", { x: at + 0.08, y: 100 - height, width: 0.84, height });
    if (marked(name)) bar.setAttribute("class", "on");
    const tip = svg("title", {});
    tip.textContent = `${name}: ${number.format(titles)}`;
    bar.append(tip);
    picture.append(bar);
  });
  const axis = element("div", null, { class: "axis", "aria-hidden": "true" });
  axis.append(element("span", rows[0][0]), element("span", `most: ${best[0]}, ${number.format(most)}`),
    element("span", rows[rows.length - 1][0]));
  figure.append(picture, axis);
  return figure;
}

const sorted = (map) => [...map].filter((row) => row[0] !== null)
  .sort((a, b) => (a[0] < b[0] ? -1 : 1));

// Drag over the years to choose them; a click chooses one year, and a second click lets it go.
function years(sums) {
  const rows = sorted(sums.year);
  const isChosen = span.from !== null || span.to !== null;
  const figure = columns("year", "By release year (drag to choose)", rows,
    (year) => isChosen && inSpan(year));
  const picture = figure.querySelector("svg");
  if (!picture) return figure;
  const bars = [...picture.querySelectorAll("rect")];
  const yearAt = (event) => {
    const box = picture.getBoundingClientRect();
    const at = Math.floor(((event.clientX - box.left) / box.width) * rows.length);
    return rows[Math.min(Math.max(at, 0), rows.length - 1)][0];
  };
  let start = null;
  const between = (event) => [start, yearAt(event)].sort((a, b) => a - b);
  picture.addEventListener("pointerdown", (event) => {
    start = yearAt(event);
    picture.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  picture.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [from, to] = between(event);
    bars.forEach((bar, at) => bar.classList.toggle("on", rows[at][0] >= from && rows[at][0] <= to));
  });
  picture.addEventListener("pointercancel", () => draw());
  picture.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [from, to] = between(event);
    const again = from === to && span.from === from && span.to === to;
    setSpan(again ? null : from, again ? null : to);
    draw();
  });
  return figure;
}

function setSpan(from, to) {
  span.from = from;
  span.to = to;
  byId("from").value = from ?? "";
  byId("to").value = to ?? "";
}

function table(caption, head, rows, numeric = []) {
  const made = element("table");
  made.append(element("caption", caption, { class: "skip" }));
  const top = element("tr");
  head.forEach((text, at) => top.append(element("th", text, { scope: "col",
    class: numeric.includes(at) ? "number" : "" })));
  made.append(element("thead"));
  made.tHead.append(top);
  const body = element("tbody");
  for (const row of rows) {
    const line = element("tr");
    row.forEach((value, at) => {
      const text = value === null ? "" : typeof value === "number" ? number.format(value) : value;
      const kind = ["fail", "warn"].includes(value) ? value : numeric.includes(at) ? "number" : "";
      line.append(element("td", text, { class: kind, dir: "auto" }));
    });
    body.append(line);
  }
  made.append(body);
  return made;
}

function genresOverTime(sums) {
  const figure = element("figure", null, { "data-chart": "genreYear" });
  figure.append(element("h2", "Genres over time (by year added)"));
  const top = [...sums.genre].sort((a, b) => b[1] - a[1]).slice(0, 8).map((row) => row[0]);
  const years = [...new Set([...sums.genreYear.keys()].map((key) => key.split("|")[1]))].sort().slice(-8);
  const rows = top.map((code) => [cube.names.genre[code],
    ...years.map((year) => sums.genreYear.get(`${code}|${year}`) || 0)]);
  const box = element("div", null, { class: "scroll", tabindex: "0", role: "region",
    "aria-label": "Genres over time" });
  box.append(table("Titles by genre and year added", ["genre", ...years], rows,
    years.map((_, at) => at + 1)));
  figure.append(box);
  return figure;
}

function choose(key, code) {
  chosen[key] = chosen[key] === code ? null : code;
  draw(key, code);
}

function draw(key = null, code = null) {
  const sums = count();
  const compared = data.summary.previous_at !== null;
  const card = (label, value, before = null) => {
    const box = element("div");
    const shown = element("dd", number.format(value), { "data-card": label });
    if (compared && before !== null) {
      const moved = value - before;
      const sign = moved > 0 ? "+" : moved < 0 ? "\u2212" : "\u00b1";
      shown.append(element("small", `${sign}${number.format(Math.abs(moved))} since before`));
    } else if (before === null) shown.append(element("small", "last snapshot"));
    box.append(element("dt", label), shown);
    return box;
  };
  const typed = (map, name) => map.get(cube.names.type.indexOf(name)) || 0;
  const named = (map, key) =>
    [...map.keys()].filter((code) => !["Unknown", "Other"].includes(cube.names[key][code])).length;
  const before = sums.before;
  byId("cards").replaceChildren(
    card("Titles", sums.titles, before.titles),
    card("Movies", typed(sums.type, "Movie"), typed(before.type, "Movie")),
    card("TV shows", typed(sums.type, "TV Show"), typed(before.type, "TV Show")),
    card("Countries", named(sums.country, "country"), named(before.country, "country")),
    card("Genres", named(sums.genre, "genre"), named(before.genre, "genre")),
    card("New", sums.new),
    card("Changed", sums.changed),
    card("Gone", sums.gone));
  byId("charts").replaceChildren(
    bars("type", "Movies and TV shows", sums),
    years(sums),
    cube.added.some((month) => month !== null)
      ? columns("added", "By month added", sorted(sums.added), () => false)
      : columns("added", "By month added (all titles)", data.additions, () => false),
    worldMap(sums),
    bars("country", "Countries", sums),
    bars("genre", "Genres", sums),
    bars("rating", "Ratings", sums),
    genresOverTime(sums));
  const words = Object.entries(chosen).filter((pair) => pair[1] !== null)
    .map(([name, at]) => `${name} ${cube.names[name][at]}`);
  if (span.from !== null || span.to !== null)
    words.push(span.from === span.to ? `released ${span.from}`
      : `released ${span.from ?? "any time"} to ${span.to ?? "now"}`);
  byId("chosen").textContent = words.length
    ? `${number.format(sums.titles)} titles: ${words.join(", ")}`
    : "All titles. Choose a bar, or years, and everything follows.";
  if (key) {
    const again = [...document.querySelectorAll(`[data-chart="${key}"] button`)]
      .find((button) => button.dataset.name === cube.names[key][code]);
    if (again) again.focus();
  }
}

function changes(word = "") {
  const wanted = word.trim().toLowerCase();
  const rows = data.changes.filter((row) => !wanted
    || row.some((value) => value !== null && value.toLowerCase().includes(wanted)));
  byId("changes").replaceChildren(table("Changes of the last snapshot",
    ["what", "id", "title", "column", "before", "after"], rows));
  const shown = `${number.format(rows.length)} shown of ${number.format(data.all_changes)} changes`;
  byId("change-count").textContent = data.summary.previous_at
    ? `${shown} since ${data.summary.previous_at.slice(0, 16)} UTC.`
    : "This is the first snapshot: there is nothing to compare it with.";
}

// A square per audit, the oldest first: low where the check passed, higher where it warned or failed.
function trail(letters) {
  const bad = [...letters].filter((letter) => letter !== "p").length;
  const picture = svg("svg", { class: "trail", viewBox: `0 0 ${10 * letters.length} 10`,
    width: 6 * letters.length, height: 12, role: "img", preserveAspectRatio: "none",
    "aria-label": `${letters.length} audit(s), ${bad} not passed` });
  [...letters].forEach((letter, at) => {
    const height = { p: 4, w: 7, f: 10 }[letter];
    picture.append(svg("rect", { x: 10 * at + 1, y: 10 - height, width: 8, height,
      class: { p: "", w: "warned", f: "failed" }[letter] }));
  });
  return picture;
}

function fixed() {
  const summary = data.summary;
  const bad = data.checks.filter((row) => row[0] === "fail").length;
  const warned = data.checks.filter((row) => row[0] === "warn").length;
  byId("state").append(
    `Data as of ${summary.snapshot_at.slice(0, 16)} UTC. Audited ${summary.audited_at.slice(0, 16)} UTC: `,
    element("span", bad ? `${bad} failed` : warned ? `passed, ${warned} warning(s)` : "all checks passed",
      { class: bad ? "fail" : warned ? "warn" : "" }), ".");
  byId("remark").textContent = data.remark;
  byId("durations").append(element("h2", "Durations (all titles)"), table("Durations",
    ["type", "unit", "titles", "least", "median", "mean", "most"], data.durations, [2, 3, 4, 5, 6]));
  for (const [role, title] of [["cast", "Most seen in casts"], ["director", "Directors of most titles"]])
    byId(role).append(element("h2", `${title} (all titles)`),
      table(title, ["name", "titles"], data.people[role], [1]));
  byId("books").append(element("h2", "Books of the last snapshot"),
    table("Books", ["what", "how many"], data.books, [1]));
  byId("runs").append(element("h2", "Last run of each step"),
    table("Runs", ["step", "status", "finished (UTC)", "seconds"], data.runs, [3]));
  if (data.drift.length)
    byId("drift").append(element("h2", "Columns of the source that changed"),
      table("Schema drift", ["what", "column", "detail", "seen (UTC)"], data.drift));
  else byId("drift").append(element("h2", "Columns of the source"),
    element("p", "No column came, went or changed its name so far."));
  const checks = table("Checks", ["verdict", "check", "rows", "what it holds", "last audits"],
    data.checks.map((row) => row.slice(0, 4)), [2]);
  [...checks.tBodies[0].rows].forEach((row, at) => {
    const cell = element("td");
    cell.append(trail(data.checks[at][4]));
    row.append(cell);
  });
  byId("checks").append(checks);
}

for (const name of ["from", "to"])
  byId(name).addEventListener("input", (event) => {
    const text = event.target.value;
    span[name] = /^\d{4}$/.test(text) ? Number(text) : null; // half a year typed is none yet
    draw();
  });
byId("clear").addEventListener("click", () => {
  for (const key of Object.keys(chosen)) chosen[key] = null;
  setSpan(null, null);
  draw();
});
byId("search").addEventListener("input", (event) => changes(event.target.value));
fixed();
changes();
draw();
