// Can it be trusted? What is not well comes first, with the rows that are meant.

import { byId, count, details, el, isSmall, onDay, plural, table } from "./dom.js";
import { fileId, isCube, last, page } from "./data.js";
import { titleButton } from "./titles.js";

const WORDS = { pass: "✓ pass", warn: "▲ warning", fail: "✕ failed" };
const HEIGHTS = { p: 6, w: 9, f: 12 }; // of a block of the trail: never colour alone
const SHOWN_ROWS = isSmall() ? 1 : 3, SHOWN_DRIFT = 6;

export const outcome = (name) => el("span", { class: `outcome ${name}` }, WORDS[name]);

// Columns of an offending row that name a title, by its id or by the one of the file.
const ID_COLUMNS = ["title_id", "show_id", "business_key", "example", "candidates"];
const columnsOf = (text) => text.split(/, (?=[a-z_]+=)/).map((column) => {
  const [name, ...value] = column.split("=");
  return [name, value.join("=")];
});

let rowsById = null; // id -> the newest row of that title
function rowOf(id) {
  if (!rowsById) {
    rowsById = new Map();
    const { rows } = page;
    if (!isCube) for (let row = 0; row < rows.size; row += 1)
      if (rows.until[row] < 0) rowsById.set(fileId(row), row);
    page.versionsOf?.forEach((versions, title) => rowsById.set(page.ids[title], versions.at(-1)));
  }
  return rowsById.get(id);
}

/** A sentence in which `backticks` stand around what is code. */
const codeIn = (text) => text.split("`").map((part, position) =>
  (position % 2 ? el("code", {}, part) : part));

/** An offending row, where what names a title leads to it. */
const linkRow = (text) => el("code", {}, ...columnsOf(text).flatMap(([name, value], position) => {
  const ids = ID_COLUMNS.includes(name) ? value.split(", ") : [];
  const parts = ids.some(rowOf)
    ? ids.flatMap((id, place) => [place ? ", " : "", rowOf(id) === undefined ? id
      : titleButton(rowOf(id), id)])
    : [value];
  return [`${position ? ", " : ""}${name}=`, ...parts];
}));

/** The rows of checks that name a title: [check, row]. */
export function failuresOf(title) {
  const { checks, failures } = page.audit;
  const isNamed = (text) => columnsOf(text).some(([name, value]) => ID_COLUMNS.includes(name) &&
    value.split(", ").some((id) => page.rows.title_no[rowOf(id)] === title));
  return failures.filter(([, text]) => isNamed(text))
    .map(([name, text]) => [checks.find((check) => check.name === name), text]);
}

/** One block per audit, the oldest first; a letter each: p passed, w warned, f failed. */
function trail(letters) {
  const number = (letter) => [...letters].filter((other) => other === letter).length;
  const name = `${plural(letters.length, "audit")}: ${number("p")} passed, ${number("w")} with ` +
    `warnings, ${number("f")} failed`;
  return el("span", { class: "trail", role: "img", "aria-label": name, "data-tip": name },
    el("svg:svg", { viewBox: `0 0 ${8 * letters.length} 12`, width: 11 * letters.length,
      height: 17, "aria-hidden": "true" },
    ...[...letters].map((letter, position) => el("svg:rect", {
      x: position * 8, y: 12 - HEIGHTS[letter], width: 6, height: HEIGHTS[letter], rx: 1.5,
      class: letter,
    }))));
}

/** The worst outcome of each audit; a check may be younger than the oldest of them. */
function worstTrail(checks) {
  const longest = Math.max(...checks.map((check) => check.trail.length));
  let worst = "";
  for (let position = 0; position < longest; position += 1) {
    const letters = checks.map((check) => check.trail[position - longest + check.trail.length]);
    worst += letters.includes("f") ? "f" : letters.includes("w") ? "w" : "p";
  }
  return worst;
}

function drawChecks() {
  const { checks, failures, at } = page.audit;
  const good = checks.filter((check) => check.outcome === "pass");
  const issues = checks.filter((check) => check.outcome !== "pass");
  byId("checks").replaceChildren(
    el("h3", {}, `${good.length} of ${checks.length} checks passed, ${onDay(at)}`),
    el("p", { class: "answer" }, "The worst outcome of each of the last audits, the newest at " +
      "the right: ", trail(worstTrail(checks))),
    ...issues.map((check) => {
      const rows = failures.filter(([name]) => name === check.name);
      return el("div", { class: `issue ${check.outcome}` },
        el("p", {}, outcome(check.outcome), " ", el("code", {}, check.name),
          ` ${check.description} `, trail(check.trail)),
        ...rows.slice(0, SHOWN_ROWS).map(([, row]) => el("p", {}, linkRow(row))),
        check.rows > SHOWN_ROWS
          ? el("p", { class: "soft" }, `${plural(check.rows, "row")} in all: ops_check_failures`)
          : null,
        check.wayOut ? el("p", {}, "What to do: ", ...codeIn(check.wayOut)) : null);
    }),
    details(`The ${good.length} checks that passed`, "Checks that passed", () => [
      table(["Check", "What it says", "Last audits"], good.map((check) =>
        [el("code", {}, check.name), el("span", {}, check.description, check.measured
          ? el("span", { class: "soft" }, ` Measured: ${check.measured}.`) : ""),
        trail(check.trail)])),
    ]),
  );
}

/** Lines of name, number and remark; one that `isSum` is set off. */
const lines = (entries) => el("dl", { class: "lines" }, ...entries.map(
  ([name, number, remark = "", isSum = false]) => el("div", { class: isSum ? "sum" : null },
    el("dt", {}, name), el("dd", {}, number), el("dd", { class: "soft" }, remark))));

function drawRowCounts() {
  const { snapshots, counts } = page;
  const before = last ? snapshots.titles[last - 1] : 0, now = snapshots.titles[last];
  const isRight = before + snapshots.new[last] - snapshots.gone[last] === now;
  byId("row-counts").replaceChildren(
    el("h3", {}, "Do the row counts reconcile?"),
    el("div", { class: "plot" },
    el("p", { class: "answer" }, isRight ? "Yes: nothing came or went uncounted." : "No."),
    lines([
      ["titles before", count(before)],
      ["+ new", count(snapshots.new[last])],
      ["− gone", count(snapshots.gone[last])],
      ["= titles now", count(now), isRight ? "✓" : "✕", true],
      ["of them changed", count(snapshots.changed[last])],
      ["rows set aside (quarantine)", count(counts.set_aside ?? 0)],
    ])));
}

function drawCompleteness() {
  const columns = page.completeness; // [column, per cent without a value: now, one snapshot before]
  const whole = columns.filter(([, now, before]) => !now && !before).map(([name]) => name);
  const parts = columns.filter(([, now, before]) => now || before).sort((a, b) => b[1] - a[1]);
  const change = (now, before) => {
    const points = before === null ? 0 : before - now;
    return Math.abs(points) < 0.05 ? ""
      : `${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(1)} pt`;
  };
  byId("completeness").replaceChildren(
    el("h3", {}, "How complete is each column?"),
    el("div", { class: "plot" },
      el("p", { class: "answer" },
        whole.length ? `All values are there in ${whole.join(", ")}.` : ""),
      table(["Column", "has a value in", "change*"], parts.map(([name, now, before]) =>
        [name, `${(100 - now).toFixed(1)} %`, change(now, before)]), (column) => column > 0),
      last ? el("p", { class: "answer" },
        "* since the snapshot before, in percentage points; blank: none.") : ""));
}

function drawRuns() {
  const { runs, drift } = page;
  const longest = Math.max(0.01, ...runs.map(([, , seconds]) => seconds));
  byId("runs").replaceChildren(
    el("h3", {}, "How did the last run go?"),
    el("div", { class: "plot" },
      el("p", { class: "answer" }, "Seconds per step"),
      el("dl", { class: "steps" }, ...runs.flatMap(([step, status, seconds]) => [
        el("dt", {}, step),
        el("dd", {}, el("svg:svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none",
          role: "img", "aria-label": status },
        el("svg:rect", { class: status === "done" ? "" : "bad", height: 10,
          width: (100 * seconds) / longest }))),
        el("dd", { class: "n" }, seconds.toFixed(2)),
      ])),
      el("h3", { class: "second" }, "Did the columns of the file change?"),
      ...(drift.length ? drift.slice(0, SHOWN_DRIFT).map(([kind, column, detail, at]) =>
        el("p", { class: "answer" }, `${onDay(at)}: ${column} ${kind}: ${detail}`))
        : [el("p", { class: "answer" }, "No: none came, went or changed its name.")])));
}

export function drawTrust() {
  drawChecks();
  drawRowCounts();
  drawCompleteness();
  drawRuns();
}
