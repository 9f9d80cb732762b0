"use strict";
const { plan, about } = JSON.parse(document.getElementById("data").textContent);
const SIGNS = {
  "create": "+", "update": "~", "replace": "-/+", "read": "<", "find": "?", "adopt": ">", "delete": "-", "forget": "x", "no-op": "=",
};
const $ = (id) => document.getElementById(id);
const make = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const tools = plan.tools.map((tool, index) => ({ ...tool, index, wave: tool.wave || 1 }));
const byAddress = new Map(tools.map((tool) => [tool.address, tool]));
const leftOut = new Set(plan.left_out);
const shown = new Set(Object.keys(SIGNS).filter((action) => action !== "no-op"));

// ---- values

const isUnknown = (value) => value !== null && typeof value === "object" && value.$dtm === "unknown";

function text(value) {
  if (value === null || value === undefined) return "";
  if (value === "(secret)") return value;
  if (typeof value === "string") return value.includes("\n") ? value : JSON.stringify(value);
  return JSON.stringify(value, (_, v) => (isUnknown(v) ? "(known after apply)" : v), 1);
}

const holdsUnknown = (value) =>
  isUnknown(value) || (value !== null && typeof value === "object" && Object.values(value).some(holdsUnknown));

/** Why something is not known: the dependencies that are not done yet. */
function reasons(tool) {
  const open = tool.dependencies.filter((address) => {
    const action = byAddress.get(address)?.action;
    return action && action !== "no-op";
  });
  return open.length === 0 ? "known after apply" : `known after ${open.join(", ")}`;
}

// ---- the list

function row(tool, change) {
  const line = make("tr");
  line.append(make("td", "", change.name));
  const fresh = tool.action === "create" || change.before === null;
  const cell = make("td");
  if (!fresh) cell.append(make("span", "before", text(change.before)), " → ");
  if (holdsUnknown(change.after)) {
    const value = isUnknown(change.after) ? "" : `${text(change.after)} `;
    cell.append(value, make("span", "unknown", `(${reasons(tool)})`));
  } else {
    cell.append(make("span", fresh ? "" : "after", change.after === null ? "(none)" : text(change.after)));
  }
  if (change.replaces) cell.append(make("span", "note", "  cannot be changed in place"));
  if (change.drift) cell.append(make("span", "note", "  changed outside"));
  line.append(cell);
  return line;
}

function fill(details, tool) {
  if (details.dataset.full) return;
  details.dataset.full = "yes";
  const inside = make("div", "inside");
  if (tool.changes.length > 0) {
    const table = make("table");
    table.append(...tool.changes.map((change) => row(tool, change)));
    inside.append(table);
  } else {
    inside.append(make("p", "deps", leftOut.has(tool.address) ? "Left out of this plan." : "No input changes."));
  }
  for (const [words, addresses] of [["Depends on ", tool.dependencies], ["Needed by ", tool.dependents]]) {
    if (addresses.length === 0) continue;
    const line = make("p", "deps", words);
    addresses.forEach((address, i) => {
      const link = make("a", "", address);
      link.href = "#";
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const other = byAddress.get(address);
        if (other) choose(other, true);
      });
      line.append(i > 0 ? ", " : "", link);
    });
    inside.append(line);
  }
  details.append(inside);
}

tools.forEach((tool) => (tool.dependents = []));
tools.forEach((tool) => tool.dependencies.forEach((address) => byAddress.get(address)?.dependents.push(tool.address)));

function entry(tool) {
  const details = make("details");
  const summary = make("summary");
  summary.append(make("span", `sign ${tool.action}`, SIGNS[tool.action]), make("b", "", tool.address), make("span", "kind", tool.kind || tool.plugin));
  const why = [];
  if (tool.using) why.push(`using ${tool.using}`);
  if (tool.conditional) why.push("if an input changes");
  if (tool.reason) why.push(tool.reason);
  if (why.length > 0) summary.append(make("span", "why", why.join("; ")));
  summary.setAttribute("aria-label", `${tool.action} ${tool.address}`);
  details.append(summary);
  details.addEventListener("toggle", () => fill(details, tool));
  summary.addEventListener("focus", () => choose(tool, false));
  tool.details = details;
  tool.words = [tool.address, tool.kind, tool.action, tool.reason, ...tool.changes.flatMap((c) => [c.name, text(c.after), text(c.before)])]
    .join("\n")
    .toLowerCase();
  return details;
}

const waves = new Map();
[...tools].sort((a, b) => a.wave - b.wave || (a.address < b.address ? -1 : 1)).forEach((tool) => {
  if (!waves.has(tool.wave)) waves.set(tool.wave, []);
  waves.get(tool.wave).push(tool);
});
const ordered = [...waves.values()].flat();
for (const [wave, members] of waves) {
  const part = make("div");
  part.append(make("h2", "", `wave ${wave}`), ...members.map(entry));
  members.part = part;
  $("tools").append(part);
}

// ---- the graph: a column for each wave, a wide wave in several

const NODE = { width: 190, height: 22, gap: 6, column: 70, most: 40 };

function draw() {
  const svg = $("drawing");
  svg.replaceChildren();
  const ns = "http://www.w3.org/2000/svg";
  const element = (name, attributes) => {
    const made = document.createElementNS(ns, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  };
  const lines = element("g", {});
  const boxes = element("g", {});
  let x = 12;
  let bottom = 0;
  for (const [wave, members] of waves) {
    const visible = members.filter((tool) => !tool.hidden);
    if (visible.length === 0) continue;
    // Near what they depend on, so that fewer lines cross.
    const middle = (tool) => {
      const ys = tool.dependencies.map((address) => byAddress.get(address)?.y).filter((y) => y !== undefined);
      return ys.length === 0 ? 0 : ys.reduce((a, b) => a + b, 0) / ys.length;
    };
    visible.sort((a, b) => middle(a) - middle(b) || (a.address < b.address ? -1 : 1));
    const label = element("text", { x, y: 16, class: "wave" });
    label.textContent = `wave ${wave}`;
    boxes.append(label);
    visible.forEach((tool, i) => {
      tool.x = x + Math.floor(i / NODE.most) * (NODE.width + 12);
      tool.y = 26 + (i % NODE.most) * (NODE.height + NODE.gap);
      bottom = Math.max(bottom, tool.y + NODE.height);
    });
    x += Math.ceil(visible.length / NODE.most) * (NODE.width + 12) + NODE.column - 12;
  }
  for (const tool of ordered) {
    if (tool.hidden) {
      tool.box = undefined;
      continue;
    }
    const box = element("g", { "data-node": tool.index, tabindex: -1, role: "button", "aria-label": `${tool.action} ${tool.address}` });
    const rect = element("rect", { x: tool.x, y: tool.y, width: NODE.width, height: NODE.height, rx: 5, class: tool.action });
    const label = element("text", { x: tool.x + 8, y: tool.y + 15 });
    const name = `${SIGNS[tool.action]} ${tool.address}`;
    label.textContent = name.length > 25 ? `${name.slice(0, 24)}…` : name;
    const title = element("title", {});
    title.textContent = `${tool.address}: ${tool.action}`;
    box.append(rect, label, title);
    boxes.append(box);
    tool.box = box;
    tool.lines = [];
  }
  for (const tool of ordered.filter((t) => t.box)) {
    for (const address of tool.dependencies) {
      const from = byAddress.get(address);
      if (!from?.box) continue;
      const [x1, y1, x2, y2] = [from.x + NODE.width, from.y + NODE.height / 2, tool.x, tool.y + NODE.height / 2];
      const bend = Math.max(30, Math.abs(x2 - x1) / 2);
      const line = element("path", { d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` });
      lines.append(line);
      from.lines.push(line);
      tool.lines.push(line);
    }
  }
  svg.append(lines, boxes);
  svg.setAttribute("width", Math.max(x, 200));
  svg.setAttribute("height", bottom + 16);
  $("graph").hidden = bottom === 0;
  mark();
}

$("drawing").addEventListener("click", (event) => {
  const box = event.target.closest("g[data-node]");
  if (box) choose(tools[Number(box.dataset.node)], true);
});

// ---- choosing, searching, showing

let chosen;

function mark() {
  document.querySelectorAll("#drawing .chosen, #drawing .near").forEach((e) => e.classList.remove("chosen", "near"));
  if (!chosen?.box) return;
  chosen.box.classList.add("chosen");
  chosen.lines.forEach((line) => line.classList.add("near"));
}

function choose(tool, go) {
  chosen?.details.classList.remove("chosen");
  chosen = tool;
  tool.details.classList.add("chosen");
  mark();
  if (!go) return;
  tool.details.open = true;
  const summary = tool.details.querySelector("summary");
  summary.focus({ preventScroll: true });
  tool.details.scrollIntoView({ block: "center" });
}

function filter() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const tool of tools) {
    tool.hidden = !shown.has(tool.action) || !words.every((word) => tool.words.includes(word));
    tool.details.classList.toggle("off", tool.hidden);
  }
  for (const members of waves.values()) members.part.classList.toggle("off", members.every((tool) => tool.hidden));
  const visible = tools.filter((tool) => !tool.hidden).length;
  const { add, change, destroy } = plan.summary;
  const more = plan.left_out.length > 0 ? `, ${plan.left_out.length} left out` : "";
  const first = plan.empty ? "No changes" : `${add} to add, ${change} to change, ${destroy} to destroy`;
  $("summary").textContent = `${first}${more}. ${visible} of ${tools.length} tools are shown.`;
  draw();
}

let waiting;
for (const change of ["input", "search"]) {
  $("search").addEventListener(change, () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, tools.length > 500 ? 150 : 0);
  });
}

for (const action of Object.keys(SIGNS)) {
  const count = tools.filter((tool) => tool.action === action).length;
  if (count === 0) continue;
  const label = make("label");
  const box = make("input");
  box.type = "checkbox";
  box.checked = shown.has(action);
  box.dataset.action = action;
  box.addEventListener("change", () => {
    box.checked ? shown.add(action) : shown.delete(action);
    filter();
  });
  label.append(box, " ", make("span", action, `${SIGNS[action]} ${action}`), ` (${count})`);
  $("actions").append(label);
}

$("unfold").addEventListener("click", () => {
  const visible = tools.filter((tool) => !tool.hidden);
  const open = visible.some((tool) => !tool.details.open);
  visible.forEach((tool) => (tool.details.open = open));
  $("unfold").textContent = open ? "Fold all" : "Unfold all";
});

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const theme = (name) => (document.documentElement.dataset.theme = name);
theme(dark() ? "dark" : "light");
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === $("search")) {
    if (event.key === "Escape") {
      // What was searched for stays.
      event.preventDefault();
      $("search").blur();
    }
    return;
  }
  const visible = ordered.filter((tool) => !tool.hidden);
  const at = visible.indexOf(chosen);
  const step = (by) => {
    const next = visible[Math.min(Math.max(at + by, 0), visible.length - 1)];
    if (!next) return;
    choose(next, false);
    next.details.querySelector("summary").focus({ preventScroll: true });
    next.details.scrollIntoView({ block: "nearest" });
  };
  switch (event.key) {
    case "/":
      $("search").focus();
      break;
    case "j":
      step(1);
      break;
    case "k":
      step(-1);
      break;
    case "g":
      chosen?.box?.scrollIntoView({ block: "center", inline: "center" });
      break;
    default:
      return;
  }
  event.preventDefault();
});

$("about").textContent = about;
for (const problem of plan.diagnostics) {
  const list = $("problems").querySelector("ul") || $("problems").appendChild(make("ul"));
  const place = problem.primary ? `${problem.primary.path}:${problem.primary.line}: ` : "";
  list.append(make("li", problem.severity, `${place}${problem.code}: ${problem.headline}`));
  $("problems").hidden = false;
}
if (!plan.moves.length && !tools.length) $("tools").append(make("p", "", "There is nothing in this plan."));
for (const { from, to } of plan.moves) $("tools").prepend(make("p", "", `${from} is now ${to}`));
filter();
