// Names with a number and a bar; each is a button that chooses. One Tab stop a list, arrows inside.

import { byId, count, el, isSmall, plural } from "./dom.js";
import { hasFilter, isChosen, state, toggle } from "./address.js";
import { namesOf } from "./data.js";

const expanded = new Set(); // figures of which all is shown
export const isExpanded = (figure) => expanded.has(figure);

let redraw = () => {};
export const onExpand = (draw) => { redraw = draw; };
export function toggleExpanded(figure) {
  if (!expanded.delete(figure)) expanded.add(figure);
  redraw();
}

/** A button that shows all of a list, or its beginning again. */
export const expandButton = (figure, all, some) =>
  el("button", {
    type: "button", class: "all", "aria-expanded": isExpanded(figure), "data-key": `${figure}:all`,
    onclick: () => toggleExpanded(figure),
  }, isExpanded(figure) ? some : all);

const MOST = { person: 100 }, MOST_NAMES = 400; // names of an expanded list

/**
 * Draw the list of a figure: `values` by code under the filters, `whole` without any.
 * `groups` gives (code) -> [heading, order]; `spark` draws a small line behind the number.
 */
export function drawBars(figure, dimension, values, whole, options = {}) {
  const { groups, spark, skip = [] } = options;
  const top = isSmall() ? Math.min(options.top ?? 12, 6) : (options.top ?? 12);
  const names = namesOf(dimension), chosen = state[dimension], filtered = hasFilter();
  const codes = [...names.keys()].filter(
    (code) => (whole[code] > 0 || chosen.has(code)) && !skip.includes(names[code]));
  if (groups) codes.sort((a, b) => groups(a)[1] - groups(b)[1] || (names[a] < names[b] ? -1 : 1));
  else codes.sort((a, b) =>
    values[b] - values[a] || whole[b] - whole[a] || (names[a] < names[b] ? -1 : 1));
  const most = MOST[dimension] ?? MOST_NAMES;
  const shown = groups ? codes : codes.slice(0, isExpanded(figure) ? most : top);
  for (const code of chosen) if (!shown.includes(code) && codes.includes(code)) shown.push(code);
  const longest = Math.max(1, ...shown.map((code) => (filtered ? whole : values)[code]));

  const box = byId(figure).querySelector(".plot");
  if (!codes.length) {
    box.replaceChildren(el("p", { class: "note" }, "No title names any."));
    return;
  }
  const list = el("ul", {
    class: `bars${isChosen(dimension) ? " any" : ""}${spark ? " sparked" : ""}`,
  });
  let heading = null;
  for (const code of shown) {
    if (groups && groups(code)[0] !== heading) {
      [heading] = groups(code);
      list.append(el("li", { class: "group" }, heading[0].toUpperCase() + heading.slice(1)));
    }
    list.append(el("li", {},
      bar(figure, dimension, code, values[code], whole[code], longest, spark)));
  }
  const parts = [list];
  if (spark) parts.unshift(el("div", { class: "colhead", "aria-hidden": "true" },
    el("span"), el("span"), el("span", {}, "titles"), el("span", {}, options.sparkHead)));
  if (codes.length > top && !groups) {
    const all = codes.length > most ? `Show the first ${most}` : `Show all ${count(codes.length)}`;
    parts.push(expandButton(figure, all, `Show the first ${top}`));
  }
  const focused = document.activeElement?.dataset?.key;
  box.replaceChildren(...parts);
  const buttons = [...list.querySelectorAll("button")]; // Tab finds one of the list
  const stop = buttons.find((button) => button.dataset.key === focused) ?? buttons[0];
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
}

function bar(figure, dimension, code, number, all, longest, spark) {
  const name = namesOf(dimension)[code];
  const part = hasFilter() && all !== number ? ` of ${count(all)}` : "";
  return el("button", {
    type: "button", "aria-pressed": state[dimension].has(code), "data-key": `${figure}:${code}`,
    "data-tip": `${name}: ${plural(number, "title")}${part}`,
    onclick: () => toggle(dimension, code),
  },
  el("span", { class: "name", dir: "auto" }, name),
  el("svg:svg", {
    class: "beam", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true",
  },
  el("svg:rect", { class: "ghost", width: hasFilter() ? (100 * all) / longest : 0, height: 10 }),
  el("svg:rect", { width: (100 * number) / longest, height: 10 })),
  el("span", { class: "n" }, number),
  spark ? spark(code) : null);
}

/** Arrows, Home and End move inside a list of bars. */
export function watchArrows() {
  document.addEventListener("keydown", (event) => {
    const button = event.target.closest?.(".bars button");
    if (!button) return;
    const all = [...button.closest(".bars").querySelectorAll("button")];
    const position = all.indexOf(button);
    const next = {
      ArrowDown: all[position + 1], ArrowUp: all[position - 1], Home: all[0], End: all.at(-1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    button.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
