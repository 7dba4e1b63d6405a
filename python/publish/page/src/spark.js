// A small line of titles added per year, next to a genre's number.

import { count, el } from "./dom.js";

const WIDTH = 104, HEIGHT = 21, EDGE = 3;

/** `years` in order; `values` year -> titles; a last year that is not over is dashed. */
export function spark(name, years, values, isPartial) {
  const numbers = years.map((year) => values.get(year) ?? 0), top = Math.max(1, ...numbers);
  const points = numbers.map((number, position) => [
    EDGE + (position * (WIDTH - 2 * EDGE)) / Math.max(1, years.length - 1),
    HEIGHT - EDGE - (number / top) * (HEIGHT - 2 * EDGE),
  ].map((value) => value.toFixed(1)));
  const line = (part, style) => el("svg:path", {
    class: style, d: part.map(([x, y], position) => `${position ? "L" : "M"}${x} ${y}`).join(""),
  });
  const whole = isPartial ? points.slice(0, -1) : points;
  const text = years.map((year, position) =>
    `${year}${isPartial && position === years.length - 1 ? " so far" : ""}: ` +
    count(numbers[position]));
  return el("span",
    { class: "spark-box", "data-tip": `${name}, added per year\n${text.join("\n")}` },
    el("svg:svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
      whole.length > 1 ? line(whole, "whole") : null,
      isPartial && points.length > 1 ? line(points.slice(-2), "part") : null,
      points.length
        ? el("svg:circle", { cx: points.at(-1)[0], cy: points.at(-1)[1], r: 2 }) : null));
}
