// SPDX-License-Identifier: MIT
// The heap: its pages and its reserve, and its slabs by size class.
"use strict";

const MOST_SLABS = 8;           // of a class, that are drawn one by one

// The heap's pages as a bar: what is in use, what is free, and where the first reserve ends.
function drawReserve({ heap }) {
  if (heap.pages === 0)
    return [html("p", { class: "note" }, "The heap has no pages yet.")];
  const used = heap.pages - heap.free_pages;
  const bar = svg("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" },
    svg("rect", { width: 100, height: 6, class: "stock" }),
    svg("rect", { width: 100 * used / heap.pages, height: 6, class: "slab" }),
    svg("rect", { x: 100 * heap.reserve / heap.pages - 0.3, width: heap.pages > heap.reserve ? 0.6 : 0, height: 6,
      class: "mark" }));
  const added = heap.pages - heap.reserve;
  return [bar, html("p", { class: "note" }, `${used} of ${counted(heap.pages, "page")} in use. ` +
    `The first reserve was ${heap.reserve}` + (added > 0 ? `, rescues have brought ${added}. ` : ". ") +
    `${counted(heap.live, "object")}, ${counted(heap.live_bytes, "byte")}; ` +
    `${counted(heap.rescues, "call")} of heap_rescue.`)];
}

// A slab's slots in a row: a rectangle for each run of slots that are in use.
function drawSlots(slab) {
  const bars = [], width = 100 / slab.slots;
  for (const run of slab.used.matchAll(/1+/g))
    bars.push(svg("rect", { x: run.index * width, width: run[0].length * width, height: 6, class: "slab" }));
  return svg("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" },
    svg("rect", { width: 100, height: 6, class: "stock" }), ...bars);
}

function nrLive(slab) {
  return slab.used.replaceAll("0", "").length;
}

// Those with room first: there something happens.
function drawClass(title, slabs) {
  const slots = slabs.reduce((sum, slab) => sum + slab.slots, 0);
  const live = slabs.reduce((sum, slab) => sum + nrLive(slab), 0);
  const shown = [...slabs].sort((a, b) => (nrLive(a) === a.slots) - (nrLive(b) === b.slots)).slice(0, MOST_SLABS);
  const more = slabs.length - shown.length;
  return html("li", {},
    html("span", { class: "class-name" }, title),
    html("span", { class: "class-bars" }, ...shown.map(drawSlots)),
    html("span", { class: "class-count" }, `${live}/${slots}` + (more > 0 ? `, ${more} more` : "") +
      (slabs.some(slab => slab.is_kept && nrLive(slab) === 0) ? ", kept empty" : "")));
}

function drawSlabs(state) {
  const classes = new Map();
  for (const slab of state.slabs) {
    const title = slab.is_large ? "large" : `${slab.slot_bytes} B`;
    classes.set(title, [...classes.get(title) ?? [], slab]);
  }
  const size = title => title === "large" ? Infinity : parseInt(title, 10);
  const rows = [...classes].sort(([a], [b]) => size(a) - size(b)).map(([title, slabs]) => drawClass(title, slabs));
  return rows.length > 0 ? [html("ul", { class: "slabs" }, ...rows)] :
    [html("p", { class: "note" }, "No slab yet. The first object of a size class makes one.")];
}
