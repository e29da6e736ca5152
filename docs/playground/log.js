// SPDX-License-Identifier: MIT
// What the log keeps: nothing, a list of records on the heap, or a ring of bytes.
"use strict";

const RADIUS = 40, WIDTH = 13;

// A piece of the ring, from one share of it to another, 0 … 1, beginning at the top.
function arc(from, to, attributes) {
  const end = Math.min(to, from + 0.9999), isLong = end - from > 0.5 ? 1 : 0;
  const point = share => [50 + RADIUS * Math.sin(2 * Math.PI * share), 50 - RADIUS * Math.cos(2 * Math.PI * share)]
    .map(value => value.toFixed(2)).join(" ");
  return svg("path", { d: `M ${point(from)} A ${RADIUS} ${RADIUS} 0 ${isLong} 1 ${point(end)}`, ...attributes });
}

function drawRing(log) {
  const parts = [svg("circle", { cx: 50, cy: 50, r: RADIUS, class: "ring", "stroke-width": WIDTH })];
  let at = log.tail;
  log.records.forEach((bytes, index) => {
    const age = index === log.records.length - 1 ? "newest" : index % 2 === 0 ? "even" : "odd";
    const from = at % log.bytes / log.bytes;
    parts.push(arc(from, from + bytes / log.bytes, { class: `record ${age}`, "stroke-width": WIDTH }));
    at += bytes;
  });
  parts.push(svg("text", { x: 50, y: 50, class: "ring-text" }, `${log.records.length}`));
  parts.push(svg("text", { x: 50, y: 60, class: "ring-note" }, log.records.length === 1 ? "record" : "records"));
  return svg("svg", { viewBox: "0 0 100 100", class: "ring-picture", "aria-hidden": "true" }, ...parts);
}

function drawLog({ log }) {
  switch (log.kind) {
  case "ring":
    return [drawRing(log), html("p", { class: "note" },
      `A ring of ${counted(log.bytes, "byte")} in the kernel's image, ${log.head - log.tail} in use. It needs no heap.` +
      (log.records.length > 0 ? " The orange record is the newest." : ""))];
  case "heap":
    return [html("p", { class: "note" },
      `A list of ${counted(log.records.length, "record")}, ${log.most} at the most, each an object of the heap.`)];
  default:
    return [html("p", { class: "note" }, "This lab's log writes to the console, and keeps nothing.")];
  }
}
