// SPDX-License-Identifier: MIT
// The frames: each block of the largest order is a square, in which a block's halves lie side by side, or
// one below the other, in turns. So each block is a square or two, whatever its order, and buddies touch.
"use strict";

const MAX_ORDER = 10;
const SIDE = 1 << MAX_ORDER / 2;
const CLASSES = {
  ".": "other", f: "stock", s: "slab", t: "slab",
};

// Where a frame lies in its square: its number's even bits say how far to the right, its odd ones how far down.
function placeOf(offset) {
  let x = 0, y = 0;
  for (let bit = 0; bit < MAX_ORDER; bit++)
    if (offset >> bit & 1)
      bit % 2 === 0 ? x |= 1 << bit / 2 : y |= 1 << (bit - 1) / 2;
  return { x, y };
}

function rectangle(offset, order, margin, attributes) {
  const { x, y } = placeOf(offset);
  return svg("rect", {
    x: x + margin, y: y + margin, width: (1 << Math.ceil(order / 2)) - 2 * margin,
    height: (1 << Math.floor(order / 2)) - 2 * margin, rx: Math.min(0.35, 0.06 * (1 << order / 2)), ...attributes,
  });
}

function orderLabel(offset, order) {
  const { x, y } = placeOf(offset);
  const width = 1 << Math.ceil(order / 2), height = 1 << Math.floor(order / 2);
  return svg("text", { x: x + width / 2, y: y + height / 2, "font-size": Math.min(2.4, height * 0.6) }, `${order}`);
}

// The pages of the heap in a block, each by what it is used for. A page of a slab is darker the fuller the slab is.
function pageCells(state, frame, order, square, fullness) {
  const cells = [];
  for (let page = frame; page < frame + (1 << order); page++) {
    const letter = state.pages[page - state.first_frame];
    if (letter === ".")
      continue;
    const share = fullness.get(page);
    cells.push(rectangle(page - square, 0, 0.07, {
      class: `page ${CLASSES[letter]}`,
      style: share === undefined ? null : `fill-opacity: ${(0.3 + 0.7 * share).toFixed(2)}`,
    }));
  }
  return cells;
}

// By page: how full its slab is, from 0 to 1.
function fullnessOf(state) {
  const fullness = new Map();
  for (const slab of state.slabs)
    for (let page = slab.frame; page < slab.frame + slab.pages; page++)
      fullness.set(page, slab.used.replaceAll("0", "").length / slab.slots);
  return fullness;
}

function drawFrames(state, previous) {
  const known = new Set((previous?.blocks ?? []).map(String));
  const mine = new Map(state.things.filter(([, isBlock]) => isBlock).map(([number, , base]) => [base >> 12, number]));
  const fullness = fullnessOf(state), squares = [];
  for (let square = state.first_frame; square < state.end_frame; square += 1 << MAX_ORDER) {
    const parts = [];
    for (const [frame, order, isFree] of state.blocks) {
      if (frame < square || frame >= square + (1 << MAX_ORDER))
        continue;
      const owner = isFree ? "free" : mine.has(frame) ? "mine" : "taken";
      const isNew = previous && !known.has(String([frame, order, isFree]));
      parts.push(rectangle(frame - square, order, 0.06, { class: `block ${owner}${isNew ? " new" : ""}` }));
      const cells = isFree ? [] : pageCells(state, frame, order, square, fullness);
      parts.push(...cells);
      if (cells.length === 0 && order >= 2)
        parts.push(orderLabel(frame - square, order));
    }
    squares.push(svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "square", "aria-hidden": "true" }, ...parts));
  }
  return squares;
}

function describeFrames(state) {
  const byOrder = new Array(MAX_ORDER + 1).fill(0);
  let nrFree = 0;
  for (const [, order, isFree] of state.blocks)
    if (isFree) {
      byOrder[order]++;
      nrFree += 1 << order;
    }
  const blocks = byOrder.map((count, order) => count > 0 ? `${count} of order ${order}` : null).filter(Boolean);
  return `${counted(nrFree, "frame")} of ${(state.end_frame - state.first_frame).toLocaleString("en")} free` +
    (blocks.length > 0 ? `: ${blocks.join(", ")}` : "");
}
