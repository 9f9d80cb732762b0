"use strict";
const { plan, same, about, facts } = JSON.parse(document.getElementById("data").textContent);
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

/** Words in which names stand between backticks, with those as code. */
function rich(element, text) {
  text.split("`").forEach((part, i) => {
    if (part !== "") element.append(i % 2 === 0 ? part : make("code", "", part));
  });
  return element;
}

// ---- values

const isUnknown = (value) => value !== null && typeof value === "object" && value.$dtm === "unknown";
const isSecret = (value) => value !== null && typeof value === "object" && value.$dtm === "secret";

// Invisible characters: control characters, unusual spaces, zero-width characters.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff]/g;
const seen = (text) => text.replace(UNSEEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

// A number that JavaScript would round, or write in another way, comes as text.
const isNumber = (value) => value !== null && typeof value === "object" && value.$dtm === "number";

function text(value) {
  if (value === undefined) return "";
  if (isNumber(value)) return value.text;
  if (isUnknown(value)) return "(known after apply)";
  if (isSecret(value)) return "(secret)";
  if (typeof value === "string") return seen(value.includes("\n") ? value : JSON.stringify(value));
  const mark = "\ue000";
  const plain = (v) =>
    isUnknown(v) ? "(known after apply)" : isSecret(v) ? "(secret)" : isNumber(v) ? `${mark}${v.text}${mark}` : v;
  const json = JSON.stringify(value, (_, v) => plain(v), 1);
  return seen(json.replace(new RegExp(`"${mark}([^"${mark}]*)${mark}"`, "g"), "$1"));
}

const holdsUnknown = (value) =>
  isUnknown(value) || (value !== null && typeof value === "object" && Object.values(value).some(holdsUnknown));

/** The dependencies that are not done yet. */
const pending = (tool) =>
  tool.dependencies.filter((address) => {
    const action = byAddress.get(address)?.action;
    return action && action !== "no-op";
  });

/** What a conditional change waits for. */
function causes(tool) {
  const open = pending(tool).map((address) => `\`${address}\``);
  return `${open.length === 0 ? "an input" : open.join(" or ")} changes`;
}

/** Why something is not known. */
function reasons(tool) {
  const open = pending(tool);
  return open.length === 0 ? "known after apply" : `known after ${open.join(", ")}`;
}

// ---- differences

const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

/** A line that is added or removed; what it has in common with its counterpart at both ends is not marked. */
function line(className, content, end, other) {
  const cell = make("td", className);
  let shown = content;
  if (other !== undefined && other !== content) {
    let head = 0;
    while (head < content.length && content[head] === other[head]) head += 1;
    let tail = 0;
    while (tail < content.length - head && tail < other.length - head && content.at(-1 - tail) === other.at(-1 - tail)) tail += 1;
    if (head + tail > 0) {
      const middle = content.slice(head, content.length - tail);
      const marked = tail === 0 ? middle.replace(/ +$/, (blanks) => "·".repeat(blanks.length)) : middle;
      cell.append(seen(content.slice(0, head)), make("mark", "", seen(marked)));
      shown = content.slice(content.length - tail);
    }
  }
  const kept = className === "" ? shown : shown.replace(/ +$/, "");
  cell.append(seen(kept));
  if (kept.length < shown.length) cell.append(make("span", "blank", "·".repeat(shown.length - kept.length)));
  if (end === "crlf") cell.append(make("span", "blank", "\\r"));
  if (end === "none") cell.append(make("span", "blank", "  (no newline at end)"));
  return cell;
}

/** Lines in pairs: those that are removed beside those that take their place. */
function pairs(lines) {
  const rows = [];
  for (let at = 0; at < lines.length; ) {
    if (lines[at][0] === " ") {
      rows.push([lines[at], lines[at]]);
      at += 1;
      continue;
    }
    const removed = [];
    const added = [];
    while (at < lines.length && lines[at][0] === "-") removed.push(lines[at++]);
    while (at < lines.length && lines[at][0] === "+") added.push(lines[at++]);
    for (let i = 0; i < Math.max(removed.length, added.length); i += 1) rows.push([removed[i], added[i]]);
  }
  return rows;
}

/** A text line by line, in both ways; `whole` is the text after, where what is folded can be taken from it. */
function textDifference(difference, whole) {
  const box = make("div", "lines");
  const { before, after, removed, added, lines } = difference;
  const of = before === after ? count(after, "line") : `${before} → ${count(after, "line")}`;
  box.append(make("p", "count", `${of}: ${removed} removed, ${added} added`));
  const inline = make("table", "inline");
  const sides = make("table", "sides");
  const content = typeof whole === "string" ? whole.split("\n") : undefined;
  let at = 0;
  const fold = (table, n, from) => {
    const row = make("tr", "fold");
    const cell = make("td", "", `${count(n, "unchanged line")}`);
    cell.colSpan = 2;
    row.append(cell);
    if (content) {
      const button = make("button", "", "show");
      button.type = "button";
      button.addEventListener("click", () => {
        const rows = content.slice(from, from + n).map((one) => {
          const shown = make("tr");
          if (table === inline) shown.append(make("td", "sign", " "), line("", one));
          else shown.append(line("", one), line("", one));
          return shown;
        });
        row.replaceWith(...rows);
      });
      cell.append(" ", button);
    }
    table.append(row);
  };
  for (const [left, right] of pairs(lines)) {
    const row = make("tr");
    if (left && left === right && typeof left[1] === "number") {
      fold(sides, left[1], at);
      at += left[1];
      continue;
    }
    if (right) at += 1;
    if (left && left === right) row.append(line("", left[1]), line("", left[1]));
    else {
      row.append(left ? line("removed", left[1], left[2], right?.[1]) : make("td", "nothing"));
      row.append(right ? line("added", right[1], right[2], left?.[1]) : make("td", "nothing"));
    }
    sides.append(row);
  }
  // Inline, removed parts precede added ones.
  at = 0;
  const rows = pairs(lines);
  for (let i = 0; i < rows.length; ) {
    const [left, right] = rows[i];
    if (left && left === right) {
      if (typeof left[1] === "number") {
        fold(inline, left[1], at);
        at += left[1];
      } else {
        const row = make("tr");
        row.append(make("td", "sign", " "), line("", left[1]));
        inline.append(row);
        at += 1;
      }
      i += 1;
      continue;
    }
    let end = i;
    while (end < rows.length && rows[end][0] !== rows[end][1]) end += 1;
    for (const [side, sign, name] of [[0, "-", "removed"], [1, "+", "added"]]) {
      for (const pair of rows.slice(i, end)) {
        if (!pair[side]) continue;
        const row = make("tr", name);
        row.append(make("td", "sign", sign), line(name, pair[side][1], pair[side][2], pair[1 - side]?.[1]));
        inline.append(row);
      }
    }
    at += rows.slice(i, end).filter((pair) => pair[1]).length;
    i = end;
  }
  box.append(inline, sides);
  return box;
}

function blob(value) {
  if (value.text !== undefined) return text(value.text);
  if (value.note !== undefined) return `(${value.note})`;
  return `(binary, ${count(value.bytes, "byte")}, sha256 ${value.sha256})`;
}

/** Where something differs, and how. */
function place(difference, change, tool, note) {
  const row = make("tr");
  const signs = { added: "+", removed: "-" };
  row.append(make("td", `sign ${difference.edit}`, signs[difference.edit] || "~"));
  const cell = make("td");
  cell.append(make("span", "path", difference.path));
  const told = [];
  if (difference.within) told.push(Object.entries(difference.within).map(([k, v]) => `${k} ${text(v)}`).join(", "));
  if (difference.was !== undefined && difference.edit !== "moved") told.push(`was [${difference.was}]`);
  const value = (className, shown) => make("span", className, shown);
  const after = (shown) => {
    if (!holdsUnknown(shown)) return [value("after", text(shown))];
    const known = isUnknown(shown) ? "" : `${text(shown)} `;
    return [known, value("unknown", `(${reasons(tool)})`)];
  };
  switch (difference.edit) {
    case "added":
      cell.append(" = ", ...after(difference.after));
      break;
    case "removed":
      cell.append(" = ", value("before", text(difference.before)));
      break;
    case "changed":
      cell.append(" = ", value("before", text(difference.before)), " → ", ...after(difference.after));
      break;
    case "secret":
      cell.append(" = (secret, changed)");
      break;
    case "binary":
      cell.append(" = ", value("before", blob(difference.before)), " → ", value("after", blob(difference.after)));
      break;
    case "moved":
      cell.append(` moves here from [${difference.was}]`);
      break;
    case "inline":
      for (const [mine, className] of [["-", "removed"], ["+", "added"]]) {
        const shown = make("div", `line ${className}`);
        shown.append(`${mine} `);
        for (const [sign, part] of difference.parts) {
          if (sign === " ") shown.append(seen(part));
          else if (sign === mine) shown.append(make("mark", "", seen(part)));
        }
        cell.append(shown);
      }
      break;
    case "text":
      cell.append(textDifference(difference.text, difference.path === change?.name ? change.after : undefined));
      break;
    case "data": {
      cell.append(value("note", `  as ${difference.syntax.toUpperCase()}`));
      const table = make("table");
      table.append(...difference.differences.map((inner) => place(inner, undefined, tool)));
      cell.append(table);
      if (difference.text) cell.append(make("p", "count", "The text also differs outside the data:"), textDifference(difference.text));
      break;
    }
  }
  told.push(...(difference.notes || []), ...(note ? [note] : []));
  if (told.length > 0) cell.append(value("note", `  ${told.join("; ")}`));
  row.append(cell);
  return row;
}

// ---- the list

/** A tool that is new: its inputs, as they are. */
function input(tool, change) {
  const line = make("tr");
  line.append(make("td", "sign added", "+"));
  const cell = make("td");
  cell.append(make("span", "path", change.name), " = ");
  if (holdsUnknown(change.after)) {
    const value = isUnknown(change.after) ? "" : `${text(change.after)} `;
    cell.append(value, make("span", "unknown", `(${reasons(tool)})`));
  } else {
    cell.append(change.after === null ? "(none)" : text(change.after));
  }
  line.append(cell);
  return line;
}

function rows(tool, change) {
  if (tool.action === "create") return [input(tool, change)];
  const note = change.replaces ? "cannot be changed in place" : change.drift && tool.action !== "adopt" ? "changed outside" : "";
  return change.differences.map((difference, i) => place(difference, change, tool, i === 0 ? note : ""));
}

const fileRows = (tool) =>
  (tool.files || []).flatMap((file) =>
    file.differences.map((difference) => place(difference, undefined, tool, file.drift ? "changed outside" : "")),
  );

function fill(details, tool) {
  if (details.dataset.full) return;
  details.dataset.full = "yes";
  const inside = make("div", "inside");
  const files = tool.files || [];
  const options = tool.options || [];
  const told = tool.changes.filter((change) => !(change.drift && files.some((file) => file.drift)));
  if (told.length + options.length + files.length > 0) {
    const table = make("table");
    const beside = options.flatMap((change) => change.differences.map((difference) => place(difference, change, tool)));
    table.append(...told.flatMap((change) => rows(tool, change)), ...beside, ...fileRows(tool));
    inside.append(table);
    for (const file of files.filter((file) => file.note)) {
      const line = make("p");
      line.append(make("code", "", file.path), `: ${file.note}`);
      inside.append(line);
    }
  } else if (!tool.replaced) {
    inside.append(make("p", "deps", leftOut.has(tool.address) ? "Left out of this plan." : "No input changes."));
  }
  for (const { id, changed } of tool.replaced || []) {
    const line = make("p", "", "Deletes the replaced object ");
    line.append(make("code", "", id), changed.length > 0 ? `, of which ${changed.join(", ")} changed outside.` : ".");
    inside.append(line);
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
  if (tool.conditional) why.push(`if ${causes(tool)}`);
  if (tool.reason) why.push(tool.reason);
  if (why.length > 0) summary.append(rich(make("span", "why"), why.join("; ")));
  summary.setAttribute("aria-label", `${tool.action} ${tool.address}`);
  details.append(summary);
  details.addEventListener("toggle", () => fill(details, tool));
  summary.addEventListener("focus", () => choose(tool, false));
  tool.details = details;
  tool.words = [tool.address, tool.kind, tool.action, tool.reason, ...tool.changes.flatMap((c) => [c.name, text(c.after), text(c.before)]), ...(tool.files || []).map((file) => file.path)]
    .join("\n")
    .toLowerCase();
  return details;
}

const waves = new Map();
const natural = new Intl.Collator("en", { numeric: true }).compare;
[...tools].sort((a, b) => a.wave - b.wave || natural(a.address, b.address)).forEach((tool) => {
  if (!waves.has(tool.wave)) waves.set(tool.wave, []);
  waves.get(tool.wave).push(tool);
});

// Of changes that are the same, one is shown; the others follow it, folded until they are asked for or searched for.
for (const { name, which, tools: addresses } of same) {
  const group = { name, which, tools: addresses.map((address) => byAddress.get(address)), open: false };
  group.tools.sort((a, b) => natural(a.address, b.address));
  group.tools.forEach((tool) => (tool.group = group));
}
let searching = false;
const isFirst = (tool) => tool.group === undefined || tool.group.tools[0] === tool;
const isFolded = (tool) => !isFirst(tool) && !tool.group.open && !searching;

/** The line below the first of a group: how many others there are, and which. */
function others(group) {
  const row = make("p", "same");
  const button = make("button");
  button.type = "button";
  group.label = () => (button.textContent = `${group.open ? "Hide" : "Show"} the other ${group.tools.length - 1}`);
  group.label();
  button.addEventListener("click", () => {
    group.open = !group.open;
    filter();
  });
  row.append(make("b", "", group.name), ` same change; ${group.which} `, button);
  group.row = row;
  return row;
}

const ordered = [];
for (const [wave, members] of waves) {
  const part = make("div");
  part.append(make("h2", "", `wave ${wave}`));
  for (const first of members.filter(isFirst)) {
    const [, ...rest] = first.group?.tools ?? [first];
    ordered.push(first, ...rest);
    part.append(entry(first), ...(first.group ? [others(first.group)] : []), ...rest.map(entry));
  }
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
    const visible = members.filter((tool) => !tool.hidden && !isFolded(tool));
    if (visible.length === 0) continue;
    // Near what they depend on, so that fewer lines cross.
    const middle = (tool) => {
      const ys = tool.dependencies.map((address) => byAddress.get(address)?.y).filter((y) => y !== undefined);
      return ys.length === 0 ? 0 : ys.reduce((a, b) => a + b, 0) / ys.length;
    };
    visible.sort((a, b) => middle(a) - middle(b) || natural(a.address, b.address));
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
    tool.box = undefined;
    tool.lines = [];
    if (tool.hidden || isFolded(tool)) continue;
    const box = element("g", { "data-node": tool.index, tabindex: -1, role: "button", "aria-label": `${tool.action} ${tool.address}` });
    const rect = element("rect", { x: tool.x, y: tool.y, width: NODE.width, height: NODE.height, rx: 5, class: tool.action });
    const label = element("text", { x: tool.x + 8, y: tool.y + 15 });
    // A folded group is drawn as one box.
    const folded = tool.group && !tool.group.open && !searching ? tool.group : undefined;
    const name = `${SIGNS[tool.action]} ${folded ? folded.name : tool.address}`;
    label.textContent = name.length > 25 ? `${name.slice(0, 24)}…` : name;
    const title = element("title", {});
    title.textContent = folded ? `${folded.name}: ${tool.action}` : `${tool.address}: ${tool.action}`;
    box.append(rect, label, title);
    boxes.append(box);
    tool.box = box;
  }
  const boxed = (tool) => (tool && isFolded(tool) ? tool.group.tools[0] : tool);
  const drawn = new Set();
  for (const dependent of ordered.filter((t) => boxed(t).box)) {
    const tool = boxed(dependent);
    for (const address of dependent.dependencies) {
      const from = boxed(byAddress.get(address));
      const key = `${from?.index} ${tool.index}`;
      if (!from?.box || from === tool || drawn.has(key)) continue;
      drawn.add(key);
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
  if (isFolded(tool)) {
    tool.group.open = true;
    filter();
  }
  fill(tool.details, tool);
  tool.details.open = true;
  const summary = tool.details.querySelector("summary");
  summary.focus({ preventScroll: true });
  tool.details.scrollIntoView({ block: "center" });
}

function filter() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  searching = words.length > 0;
  for (const tool of tools) {
    tool.hidden = !shown.has(tool.action) || !words.every((word) => tool.words.includes(word));
    tool.details.classList.toggle("off", tool.hidden || isFolded(tool));
    if (!tool.group || !isFirst(tool)) continue;
    tool.group.row.classList.toggle("off", tool.hidden || searching);
    tool.group.label();
  }
  for (const members of waves.values()) members.part.classList.toggle("off", members.every((tool) => tool.hidden));
  const visible = tools.filter((tool) => !tool.hidden).length;
  const { add, change, destroy } = plan.summary;
  const more = plan.left_out.length > 0 ? `, ${plan.left_out.length} left out` : "";
  const of = (action) => tools.filter((tool) => tool.action === action).length;
  const others = [
    [plan.summary.adopt, "adopt"], [of("read"), "record"], [of("forget"), "forget"], [of("find"), "look up"], [plan.moves.length, "move"],
  ];
  const other = others.filter(([n]) => n > 0).map(([n, what]) => `, ${n} to ${what}`).join("");
  const first = plan.empty ? "No changes" : `${add} to add, ${change} to change, ${destroy} to destroy${other}`;
  if (searching && visible === 1) {
    const [found] = tools.filter((tool) => !tool.hidden);
    fill(found.details, found);
    found.details.open = true;
  }
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
  const open = tools.some((tool) => !tool.hidden && (isFolded(tool) || !tool.details.open));
  for (const tool of tools) if (tool.group) tool.group.open = open;
  filter();
  const visible = tools.filter((tool) => !tool.hidden);
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
  const visible = ordered.filter((tool) => !tool.hidden && !isFolded(tool));
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

rich($("about"), about);
for (const [name, value] of facts) {
  $("facts").append(make("dt", "", name), rich(make("dd"), value));
}

// Drift, and what dtm does about it.
const THEN = {
  taken_back: "dtm reverts this", overwritten: "dtm overwrites this with the new value",
  kept: "already matches the program; dtm records it", recreated: "dtm replaces the object; this change is lost",
  deleted: "dtm deletes the object; this change is lost",
  left: "dtm leaves what was changed in place, and no longer manages it",
};
for (const { address, what, changes } of plan.drift) {
  $("drift").hidden = false;
  const tool = byAddress.get(address);
  const part = make("div", "drifted");
  part.append(make("b", "", address), make("span", "kind", tool?.kind || ""));
  const files = (tool?.files || []).filter((file) => file.drift);
  if (what === "removed") part.append(make("p", "lost", tool?.action === "create" ? "removed; dtm re-creates it" : "removed"));
  if (what === "outputs") part.append(make("p", "", "its outputs changed; dtm records them"));
  const reverted = files.filter((file) => !file.note);
  const left = files.filter((file) => file.note);
  if (reverted.length > 0) {
    part.append(make("p", "lost", `dtm reverts this: ${reverted.map((file) => file.path).join(", ")}`));
  }
  if (left.length > 0) {
    part.append(make("p", "", `${THEN.left}: ${left.map((file) => file.path).join(", ")}`));
  }
  for (const change of files.length > 0 ? [] : changes) {
    const table = make("table");
    table.append(...change.differences.map((difference) => place(difference, { name: change.name, after: change.found }, tool)));
    part.append(table);
    if (what !== "outputs") part.append(make("p", change.then === "kept" ? "" : "lost", THEN[change.then]));
  }
  $("drift").append(part);
}

// The outputs of the program.
for (const output of plan.outputs) {
  $("outputs").hidden = false;
  const table = $("outputs").querySelector("table") || $("outputs").appendChild(make("table"));
  const change = { name: output.name, after: output.after };
  const whole = { path: output.name, steps: [output.name], edit: output.edit, before: output.before, after: output.after };
  const differences = output.edit === "changed" ? output.differences : [whole];
  table.append(...differences.map((difference) => place(difference, change, { dependencies: [] })));
}

$("sides").addEventListener("click", () => {
  const sides = document.documentElement.dataset.text !== "sides";
  document.documentElement.dataset.text = sides ? "sides" : "inline";
  $("sides").textContent = sides ? "Inline" : "Side by side";
});
document.documentElement.dataset.text = "inline";

// Changes are expanded; new objects only if they are short.
for (const tool of tools) {
  const changes = tool.changes.length + (tool.options || []).length + (tool.files || []).length > 0;
  if (changes && !isFolded(tool) && tool.action !== "no-op" && (tool.action !== "create" || tools.length <= 100)) {
    fill(tool.details, tool);
    tool.details.open = true;
  }
}

$("unfold").textContent = tools.some((tool) => !tool.hidden && (isFolded(tool) || !tool.details.open)) ? "Unfold all" : "Fold all";

for (const problem of plan.diagnostics) {
  const list = $("problems").querySelector("ul") || $("problems").appendChild(make("ul"));
  const where = problem.primary ? `${problem.primary.path}:${problem.primary.line}: ` : "";
  list.append(rich(make("li", problem.severity), `${where}${problem.code}: ${problem.headline}`));
  $("problems").hidden = false;
}
if (!plan.moves.length && !tools.length) $("tools").append(make("p", "", "There is nothing in this plan."));
for (const { from, to } of plan.moves) $("tools").prepend(make("p", "", `${from} is now ${to}`));
filter();
