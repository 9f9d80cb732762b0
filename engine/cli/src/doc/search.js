const field = document.getElementById("search");
const found = document.getElementById("found");
const pages = document.getElementById("pages");
let chosen = 0;
function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.replaceChildren();
  found.hidden = words.length === 0;
  pages.hidden = words.length > 0;
  const rank = ([title]) => (title.toLowerCase().startsWith(words[0]) ? 0 : 1);
  const all = INDEX.filter(([title, page]) => words.every((w) => (title + " " + page).toLowerCase().includes(w)));
  all.sort((a, b) => rank(a) - rank(b));
  all.slice(0, 40).forEach(([title, page, href], i) => {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = title + " ";
    link.className = i === chosen ? "chosen" : "";
    const where = document.createElement("small");
    where.textContent = page;
    link.append(where);
    const item = document.createElement("li");
    item.append(link);
    found.append(item);
  });
  if (all.length === 0 && words.length > 0) found.textContent = "No page or heading matches.";
}
field.addEventListener("input", () => { chosen = 0; show(); });
field.addEventListener("keydown", (event) => {
  const links = found.querySelectorAll("a");
  if (event.key === "ArrowDown") chosen = Math.min(chosen + 1, links.length - 1);
  else if (event.key === "ArrowUp") chosen = Math.max(chosen - 1, 0);
  else if (event.key === "Enter" && links[chosen]) return void (location.href = links[chosen].href);
  else if (event.key === "Escape") field.value = "";
  else return;
  event.preventDefault();
  show();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) { event.preventDefault(); field.focus(); }
});
