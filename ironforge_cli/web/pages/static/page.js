// What the page can do without this file, it does without it: this adds times that move on, the viewer's time zone,
// suggestions while one types, and tables sorted by a click.
"use strict";

const root = document.documentElement.dataset.root || "";

function lengthInWords(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (minutes < 60) return `${minutes} min`;
  if (days < 2) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return days < 7 && hours % 24 ? `${days} days ${hours % 24} h` : `${days} days`;
}

function tellTimes() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const age = (Date.now() - new Date(time.dateTime)) / 1000;
    time.textContent =
      Math.abs(age) < 60 ? "just now" : age > 0 ? `${lengthInWords(age)} ago` : `in ${lengthInWords(-age)}`;
  }
}

function tellLocalTimes() {
  const format = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[data-local]")) time.textContent = format.format(new Date(time.dateTime));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const one of document.querySelectorAll("[data-zone]")) one.textContent = zone;
}

// The week in the viewer's zone: what the server computes for it takes the place of the one in UTC.
async function tellWeek() {
  const week = document.querySelector("[data-week]");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!week || !zone || zone === "UTC" || zone === "Etc/UTC") return;
  const answer = await fetch(`${week.dataset.week}?tz=${encodeURIComponent(zone)}`, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const there = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-week]");
  if (there) week.replaceWith(document.importNode(there, true));
}

function suggest(input) {
  const list = document.getElementById(input.dataset.suggestions);
  input.setAttribute("list", list.id);
  let waiting, asked = "";
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    const text = input.value.trim();
    const chosen = [...list.options].find((option) => option.value === text);
    if (chosen) { location.href = chosen.dataset.href; return; }
    if (text.length < 2 || text === asked) return;
    waiting = setTimeout(async () => {
      asked = text;
      const answer = await fetch(`${root}/search.json?limit=8&q=${encodeURIComponent(text)}`);
      if (!answer.ok || asked !== text) return;
      list.replaceChildren(...(await answer.json()).map((item) => {
        const option = document.createElement("option");
        option.value = `${item.name || "item"}${item.rank ? ` R${item.rank}` : ""} (${item.item_id})`;
        option.dataset.href = `${root}/${input.dataset.region}/items/${item.item_id}`;
        return option;
      }));
    }, 160);
  });
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falls = head.getAttribute("aria-sort") !== "descending";
      for (const one of heads) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const value = (row) => row.cells[place].dataset.value;
      // What is not known stands last either way.
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const left = value(a), right = value(b);
        if (left === "" || right === "") return (left === "") - (right === "");
        const order = head.dataset.sort === "text" ? left.localeCompare(right) : left - right;
        return falls ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

tellTimes();
tellLocalTimes();
setInterval(tellTimes, 30000);
tellWeek();
document.querySelectorAll("input[data-suggestions]").forEach(suggest);
document.querySelectorAll("table[data-sortable]").forEach(sortable);
for (const select of document.querySelectorAll("form.choices select")) select.addEventListener("change", () => select.form.requestSubmit());
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("q").focus();
});
