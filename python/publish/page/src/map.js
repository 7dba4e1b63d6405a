// The world map: its shapes are made once, after that only their classes move.

import { byId, el, legend, plural } from "./dom.js";
import { state, toggle } from "./address.js";
import { page } from "./data.js";

const STEPS = [1, 10, 50, 200, 1000]; // titles from which a colour begins
const NAMES = ["none", "1 to 9", "10 to 49", "50 to 199", "200 to 999", "1,000 and more"];
const shapes = new Map(); // code of the country -> its shape

export function buildMap(figure) {
  const { world, iso, names } = page;
  const codes = new Map(
    Object.entries(iso).map(([name, two]) => [two, names.country.indexOf(name)]));
  const svg = el("svg:svg", {
    class: "map", viewBox: world.viewBox, role: "img",
    "aria-label": "World map, darker where more titles are from; the list has the numbers",
  });
  const place = (two, shape) => {
    const code = codes.get(two) ?? -1;
    if (code >= 0) {
      shapes.set(code, shape);
      shape.addEventListener("click", () => toggle("country", code));
    }
    svg.append(shape);
  };
  for (const [two, d] of Object.entries(world.shapes)) place(two, el("svg:path", { d }));
  for (const [two, [cx, cy]] of Object.entries(world.points))
    if (codes.has(two)) place(two, el("svg:circle", { cx, cy, r: 5 }));
  byId(figure).querySelector(".plot").replaceChildren(
    svg, legend(NAMES.map((name, step) => [`step${step}`, name])));
}

export function paintMap(numbers) {
  for (const [code, shape] of shapes) {
    const step = STEPS.filter((from) => numbers[code] >= from).length;
    const chosen = state.country.has(code) ? " chosen" : "";
    shape.setAttribute("class", `country step${step}${chosen}`);
    shape.setAttribute("data-tip",
      `${page.names.country[code]}: ${plural(numbers[code], "title")}`);
  }
}
