// The parts of d3 that the page draws with; vendor.sh bundles them into one file.
export { max, min, extent, range, bisectLeft } from "d3-array";
export { axisBottom, axisLeft } from "d3-axis";
export { brushX } from "d3-brush";
export { format } from "d3-format";
export { stratify, partition, treemap, treemapSquarify } from "d3-hierarchy";
export { scaleLinear, scaleLog } from "d3-scale";
export { select } from "d3-selection";
export { area, line, curveStep } from "d3-shape";
