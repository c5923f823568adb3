// Draws the page's pictures with Vega, whose program is fetched when the page is there. Expressions are interpreted, not
// compiled, so that the page needs no leave to evaluate code.
"use strict";

const frames = [...document.querySelectorAll("[data-chart]")];
const dark = matchMedia("(prefers-color-scheme: dark)");

// As wide as there is room; what the page says around the picture, its title, ground and only series, is left out of it.
function fitted(specification, width) {
  const series = new Set(specification.data.values.map((row) => row.series));
  const looks = [];
  for (const view of specification.vconcat || [specification]) {
    if ("width" in view) view.width = Math.max(200, width - 70);
    looks.push(view, ...(view.layer || []));
  }
  if (series.size < 2) {
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    for (const { encoding } of looks) if (encoding && encoding.color) encoding.color = { value: accent };
  }
  specification.config.axis.labelFontSize = 12;
  specification.config.axis.titleFontSize = 12;
  specification.config.font = getComputedStyle(document.body).fontFamily;
  return { ...specification, $schema: undefined, title: undefined, padding: 4, background: null };
}

async function draw(frame) {
  const address = new URL(frame.dataset.chart, location.href);
  if (dark.matches) address.searchParams.set("dark", "1");
  const answer = await fetch(address);
  if (!answer.ok) return;
  const specification = await answer.json();
  const place = frame.querySelector(".drawing");
  const shown = () => {
    place.replaceChildren();
    const width = place.clientWidth;
    frame.dataset.drawn = width;
    return vegaEmbed(place, fitted(structuredClone(specification), width), {
      mode: "vega-lite",
      ast: true,
      actions: false,
      defaultStyle: false,
      renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    });
  };
  await shown();
  let waiting;
  new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (Math.abs(place.clientWidth - frame.dataset.drawn) > 8) shown();
    }, 200);
  }).observe(frame);
}

function drawAll() {
  for (const frame of frames) draw(frame);
}

if (frames.length) {
  const program = document.createElement("script");
  program.src = document.currentScript.dataset.program;
  program.addEventListener("load", drawAll);
  document.head.append(program);
  dark.addEventListener("change", drawAll);
}
