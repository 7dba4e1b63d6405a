// Making elements, writing numbers and dates, and the tip that follows the pointer or the focus.
// Text reaches the page by textContent alone: `el` appends strings as text nodes.

export const byId = (id) => document.getElementById(id);
export const isSmall = () => innerWidth < 640;

/** Make an element: attributes ("on..." is a listener), then children; a number is formatted. */
export function el(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean" && key.startsWith("aria-"))
      made.setAttribute(key, String(value));
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(key, value === true ? "" : value);
  }
  made.append(
    ...children
      .filter((child) => child !== null && child !== undefined)
      .map((child) => (typeof child === "number" ? count(child) : child)),
  );
  return made;
}

const numbers = new Intl.NumberFormat("en-US");
const days = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
});
const months = new Intl.DateTimeFormat("en-GB", {
  month: "short", year: "numeric", timeZone: "UTC",
});

export const DAY = 86_400_000; // milliseconds
export const count = (number) => numbers.format(number);
export const plural = (number, one, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;
export const signed = (number) =>
  `${number > 0 ? "+" : number < 0 ? "−" : "±"}${count(Math.abs(number))}`;
export const percent = (part, whole, digits = 0) =>
  whole ? `${((100 * part) / whole).toFixed(digits)} %` : "–";
export const onDay = (time) => days.format(new Date(time));
export const isoDay = (day) =>
  day === null ? "" : new Date(day * DAY).toISOString().slice(0, 10);

// A month is a number: 12 times the year plus 0 to 11.
export const monthDate = (month) => new Date(Date.UTC(Math.floor(month / 12), month % 12, 1));
export const monthName = (month) => months.format(monthDate(month));
export const monthText = (month) =>
  `${Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, "0")}`;
export const parseMonth = (text) =>
  /^\d{4}-(0[1-9]|1[0-2])$/.test(text) ? +text.slice(0, 4) * 12 + +text.slice(5) - 1 : NaN;
export const monthOfDay = (day) => {
  const date = new Date(day * DAY);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
};

/** The line of text below a figure's heading. */
export function answer(figure, ...parts) {
  byId(figure).querySelector(".answer")?.replaceChildren(...parts);
}

/** A table of texts; the columns named in `numeric` are set to the right. */
export function table(head, rows, numeric = () => false) {
  const cell = (tag, more) => (value, column) =>
    el(tag, { class: numeric(column) ? "n" : null, ...more }, value);
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...head.map(cell("th", { scope: "col" })))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell("td", { dir: "auto" }))))),
  );
}

const opened = new Set(); // names of those that are open: they stay so when they are drawn again

/** A closed part that scrolls inside itself; `build` makes its content when it is opened. */
export function details(summary, name, build) {
  const box = el("div", { tabindex: "0", role: "region", "aria-label": name });
  return el("details", {
    class: "data", open: opened.has(name),
    ontoggle: (event) => {
      opened[event.currentTarget.open ? "add" : "delete"](name);
      if (event.currentTarget.open && !box.firstChild) box.append(...build());
    },
  }, el("summary", {}, summary), box);
}

const MOST_NUMBERS = 400; // rows of the table below a chart

/** The numbers of a chart as a table, for who cannot or will not read it off. */
export function numbersTable(title, head, rows) {
  const more = rows.length - MOST_NUMBERS;
  return details("Numbers", `Numbers: ${title}`, () => [
    table(head, rows.slice(0, MOST_NUMBERS), (column) => column > 0),
    ...(more > 0 ? [el("p", {}, `and ${count(more)} more: see the files in kpi/`)] : []),
  ]);
}

/** A legend of colours: [class of the square, text] pairs. */
export function legend(entries) {
  return el(
    "ul",
    { class: "legend" },
    ...entries.map(([style, text]) =>
      el("li", {}, el("svg:svg", { viewBox: "0 0 10 10", "aria-hidden": "true" },
        el("svg:rect", { class: style, width: 10, height: 10 })), text)),
  );
}

/** Copy a text, and say on the button that it was done; `instead` runs where it may not be. */
export async function copyText(button, text, instead) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = instead();
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

/** Save a text as a file on the reader's machine. */
export function saveFile(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Show the text of [data-tip] at the pointer, and at what has the keyboard's focus. */
export function watchTips() {
  const tip = byId("tip");
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const left = Math.max(6, Math.min(x + 14, innerWidth - tip.offsetWidth - 6));
    const top = y + tip.offsetHeight + 20 > innerHeight ? y - tip.offsetHeight - 12 : y + 16;
    tip.style.transform = `translate(${left}px, ${top}px)`;
  };
  const hide = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target) show(target.getAttribute("data-tip"), event.clientX, event.clientY);
    else hide();
  });
  document.addEventListener("focusin", (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (!target?.matches(":focus-visible")) return hide();
    const box = target.getBoundingClientRect();
    show(target.getAttribute("data-tip"), box.left + 40, box.bottom - 12);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
}
