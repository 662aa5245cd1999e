"use strict";
// The table of micrographs and the viewer of a report. All data are in the page.
const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const PAGE = 50;
const state = { key: "distance", down: true, page: 0, shown: [], current: null };

function element(tag, text, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  return made;
}

function figure(value) {
  return typeof value === "number" ? Number(value.toPrecision(4)).toString() : "";
}

function valueOf(row, key) {
  return key in row ? row[key] : row.quality[key];
}

function compare(a, b) {
  const first = valueOf(a, state.key);
  const second = valueOf(b, state.key);
  // What has no number comes last, whichever way the table is sorted.
  if (first === undefined || second === undefined) {
    return (first === undefined) - (second === undefined);
  }
  const order = typeof first === "string"
    ? first.localeCompare(second, "en", { numeric: true }) : first - second;
  return state.down ? -order : order;
}

function select() {
  const words = byId("filter").value.toLowerCase();
  const status = byId("status").value;
  state.shown = report.rows.filter((row) =>
    (row.name + " " + row.message + " " + row.warnings.join(" "))
      .toLowerCase().includes(words) &&
    (status === "all" || row.status === status ||
      (status === "unlike" && row.unlike) ||
      (status === "warned" && row.warnings.length > 0) ||
      (status === "pictured" && row.name in report.previews)));
  state.shown.sort(compare);
  state.page = 0;
}

function nameCell(row) {
  const cell = element("td", undefined, { className: "name" });
  if (row.name in report.previews) {
    const button = element("button", row.name, { className: "link", type: "button" });
    button.addEventListener("click", () => show(row, true));
    cell.append(button);
  } else {
    cell.append(row.name);
  }
  return cell;
}

function tableRow(row) {
  const line = element("tr");
  line.className = row.status === "failed" ? "failed" : "";
  line.classList.toggle("current", row === state.current);
  line.append(nameCell(row), element("td", row.status));
  for (const key of ["distance", ...report.numbers, "seconds"]) {
    line.append(element("td", figure(valueOf(row, key))));
  }
  line.append(element("td", [row.message, ...row.warnings].join(" ")));
  return line;
}

function draw(announce) {
  const pages = Math.max(1, Math.ceil(state.shown.length / PAGE));
  const first = state.page * PAGE;
  const rows = state.shown.slice(first, first + PAGE);
  byId("rows").replaceChildren(...rows.map(tableRow));
  byId("previous-page").disabled = state.page === 0;
  byId("next-page").disabled = state.page >= pages - 1;
  const text = state.shown.length === 0 ? "No micrograph matches."
    : `Micrographs ${first + 1} to ${first + rows.length} of ${state.shown.length}` +
      (state.shown.length < report.rows.length ? `, chosen from ${report.rows.length}` : "");
  byId("count").textContent = text;
  for (const header of document.querySelectorAll("th[data-key]")) {
    const mine = header.dataset.key === state.key;
    header.setAttribute("aria-sort",
      mine ? (state.down ? "descending" : "ascending") : "none");
  }
  if (announce) byId("live").textContent = text;
}

function sortBy(key) {
  const text = key === "name" || key === "status";
  state.down = key === state.key ? !state.down : !text;
  state.key = key;
  select();
  draw(true);
}

// The viewer.
const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const CURVES = [
  ["raw", "raw", "#505050", "6 3"],
  ["denoised", "denoised", "#1d5c8f", ""],
  ["removed", "removed: raw minus denoised", "#b35900", "2 2"],
];

function spectra(preview) {
  const svg = drawn("svg", { viewBox: "0 0 420 340", role: "img" });
  // Of an output that is binned, there is no curve of what was removed.
  const curves = CURVES.filter(([key]) => key in preview);
  const powers = curves.flatMap(([key]) => preview[key]).filter((p) => p > 0);
  const top = Math.ceil(Math.log10(Math.max(...powers)));
  const bottom = Math.max(Math.floor(Math.log10(Math.min(...powers))), top - 6);
  const last = preview.frequencies[preview.frequencies.length - 1];
  const x = (f) => 50 + 355 * f / last;
  // What is below the scale is drawn below it, and cut off: it is not as much as its end.
  const least = 10 ** (bottom - 1);
  const y = (p) => 65 + 215 * (top - Math.log10(Math.max(p, least))) / (top - bottom);
  const area = drawn("clipPath", { id: "plot-area" });
  area.append(drawn("rect", { x: 50, y: 64, width: 356, height: 217 }));
  svg.append(area);
  for (let decade = bottom; decade <= top; decade += 1) {
    const at = y(10 ** decade);
    svg.append(drawn("line", { x1: 50, x2: 405, y1: at, y2: at, stroke: "#d0d0d0" }));
    svg.append(drawn("text", { x: 44, y: at + 4, "text-anchor": "end" }, `1e${decade}`));
  }
  for (let part = 1; part <= 4; part += 1) {
    const f = last * part / 4;
    svg.append(drawn("text", { x: x(f), y: 298, "text-anchor": part < 4 ? "middle" : "end" },
      `${Number((1 / f).toPrecision(3))} Å`));
  }
  svg.append(drawn("text", { x: 4, y: 52 }, "power"));
  svg.append(drawn("text", { x: 228, y: 322, "text-anchor": "middle" },
    "period; the scale is linear in spatial frequency"));
  curves.forEach(([key, words, colour, dashes], number) => {
    const points = preview.frequencies
      .map((f, i) => `${x(f).toFixed(1)},${y(preview[key][i]).toFixed(1)}`).join(" ");
    svg.append(drawn("polyline", { points, fill: "none", stroke: colour,
      "stroke-width": 2, "stroke-dasharray": dashes, "clip-path": "url(#plot-area)" }));
    const at = 16 + 17 * number;
    svg.append(drawn("line", { x1: 50, x2: 85, y1: at - 4, y2: at - 4, stroke: colour,
      "stroke-width": 2, "stroke-dasharray": dashes }));
    svg.append(drawn("text", { x: 92, y: at }, words));
  });
  svg.setAttribute("aria-label", "Power spectra. " + preview.words);
  return svg;
}

function facts(row) {
  const parts = report.numbers.filter((key) => key in row.quality)
    .map((key) => `${report.labels[key]}: ${figure(row.quality[key])}`);
  return [...parts, ...row.warnings].join("; ") || "No numbers.";
}

function show(row, jump) {
  const preview = report.previews[row.name];
  state.current = row;
  byId("shown-name").textContent = row.name +
    (row.name.endsWith(".mrcs") ? ", first image of the stack" : "") +
    (row.unlike ? ", unlike the rest" : "");
  byId("before").src = preview.before;
  byId("before").alt = `${row.name}, raw`;
  byId("after").src = preview.after;
  byId("after").alt = `${row.name}, denoised`;
  byId("bar").textContent = `${preview.bar} Å`;
  byId("bar").style.width = `${100 * preview.bar / preview.width}%`;
  byId("shown-facts").textContent = facts(row);
  byId("spectra").replaceChildren(spectra(preview));
  draw(false);
  if (jump) {
    byId("live").textContent = `${row.name} is shown above.`;
    byId("viewer").scrollIntoView();
    byId("cut").focus({ preventScroll: true });
  }
}

function step(by) {
  const pictured = report.order.map((name) => report.rows.find((r) => r.name === name));
  const at = pictured.indexOf(state.current);
  const next = pictured[(at + by + pictured.length) % pictured.length];
  show(next, false);
  byId("live").textContent =
    `${next.name}, ${pictured.indexOf(next) + 1} of ${pictured.length}`;
}

function cut() {
  const value = byId("cut").value;
  byId("pair").style.setProperty("--cut", `${value}%`);
  byId("cut").setAttribute("aria-valuetext", `left ${value} percent raw, rest denoised`);
}

for (const header of document.querySelectorAll("th[data-key]")) {
  header.firstElementChild.addEventListener("click", () => sortBy(header.dataset.key));
}
for (const id of ["filter", "status"]) {
  byId(id).addEventListener("input", () => { select(); draw(true); });
}
byId("previous-page").addEventListener("click", () => { state.page -= 1; draw(true); });
byId("next-page").addEventListener("click", () => { state.page += 1; draw(true); });
for (const button of document.querySelectorAll("button[data-show]")) {
  const row = report.rows.find((one) => one.name === button.dataset.show);
  button.addEventListener("click", () => show(row, true));
}
select();
draw(false);
if (report.order.length > 0) {
  byId("cut").addEventListener("input", cut);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  cut();
  show(report.rows.find((row) => row.name === report.order[0]), false);
}
