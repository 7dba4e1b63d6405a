// The two text fields of a range of years or months. They are made once; what is not understood
// stays in its field, with a message next to it.

import { el, monthText } from "./dom.js";
import { commit, state } from "./address.js";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const NUMBERS = /^(\d{4})[-/. ](\d{1,2})$/, TURNED = /^(\d{1,2})[-/. ](\d{4})$/;
const NAMED = /^([a-z]{3})[a-z]*\.? (\d{4})$/;

/** A month as people write it; a bare year is its January, or at the end its December. */
export function readMonth(typed, side) {
  const text = typed.toLowerCase();
  if (/^\d{4}$/.test(text)) return +text * 12 + (side ? 11 : 0);
  const turned = TURNED.exec(text), named = NAMED.exec(text);
  const [year, month] = turned ? [turned[2], turned[1]]
    : named ? [named[2], MONTHS.indexOf(named[1]) + 1] : (NUMBERS.exec(text)?.slice(1) ?? []);
  return month >= 1 && month <= 12 ? +year * 12 + +month - 1 : NaN;
}

export const KINDS = {
  year: {
    label: "Released", write: String, read: (typed) => (/^\d{4}$/.test(typed) ? +typed : NaN),
    help: "write a year, such as 2019",
  },
  month: {
    label: "Added", write: monthText, read: readMonth,
    help: "write a month or a year, such as 2019-03 or 2019",
  },
};

/** Make the fields of a dimension; `update(ends)` shows what is chosen, between the data's ends. */
export function makeRange(dimension) {
  const kind = KINDS[dimension];
  const problem = el("span", { id: `${dimension}-problem`, class: "problem", role: "alert" });
  let ends = [], shown = "";
  const fields = [0, 1].map((side) => el("input", {
    type: "text", autocomplete: "off", id: `${dimension}-${side ? "to" : "from"}`,
    "aria-label": `${kind.label} ${side ? "to" : "from"}`, "aria-describedby": problem.id,
    onchange: () => apply(side),
    onfocus: (event) => event.currentTarget.select(),
    onmousedown: (event) => { // the click that brings the focus selects, too
      if (document.activeElement === event.currentTarget) return;
      event.preventDefault();
      event.currentTarget.focus();
    },
  }));

  function complain(side, text) {
    fields.forEach((field, other) => field.setAttribute("aria-invalid", String(other === side)));
    problem.textContent = text;
  }

  function apply(side) {
    const typed = fields.map((field) => field.value.trim());
    const range = typed.map((text, end) => (text ? kind.read(text, end) : ends[end]));
    const wrong = range.findIndex(Number.isNaN), names = range.map(kind.write);
    if (wrong >= 0) complain(wrong, `“${typed[wrong]}” is not understood: ${kind.help}.`);
    else if (range[0] > range[1]) complain(side, `${names[0]} is after ${names[1]}.`);
    else {
      state[dimension] = range[0] <= ends[0] && range[1] >= ends[1] ? null : range;
      shown = null;
      setTimeout(commit); // the focus goes on first: what it goes to may be drawn again
    }
  }

  /** What somebody is typing stays as long as the choice does. */
  function update(now) {
    ends = now;
    const chosen = `${state[dimension]} ${ends}`;
    if (chosen === shown) return;
    shown = chosen;
    complain(null, "");
    fields.forEach((field, side) => {
      const end = state[dimension]?.[side] ?? ends[side];
      field.placeholder = kind.write(ends[side]);
      field.value = end === ends[side] ? "" : kind.write(end);
      if (field === document.activeElement) field.select();
    });
  }
  return { parts: ["From", fields[0], "to", fields[1], problem], update };
}
