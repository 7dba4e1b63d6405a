// What the page uses of Observable Plot, as one global: the marks not named here are left out.
import {
  axisX, axisY, dot, gridY, lineY, plot, pointerX, rectY, ruleX, ruleY, text, tip,
} from "@observablehq/plot";

globalThis.Plot = {
  axisX, axisY, dot, gridY, lineY, plot, pointerX, rectY, ruleX, ruleY, text, tip,
};
