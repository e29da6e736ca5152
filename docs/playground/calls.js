// SPDX-License-Identifier: MIT
// The calls on the stack, the locks, and the cycle of a deadlock.
"use strict";

// The calls from the one that took a lock to the one that waits for it: the innermost call further out
// that is one of the lock's taker (kernel/lockup.h says the same). null if nobody waits.
function cycleOf({ stack, state }) {
  if (!state.waits)
    return null;
  const lock = state.locks.find(each => each.name === state.waits.lock);
  const way = stack.slice(0, stack.lastIndexOf("spin_lock"));
  const from = lock.held ? way.slice(0, -1).lastIndexOf(lock.taken.function) : -1;
  return from < 0 ? null : { lock: lock.name, calls: way.slice(from) };
}

// By place on the stack: the lock that this call has taken and holds.
function holders({ stack, state }) {
  const found = new Map(), cycle = cycleOf({ stack, state });
  for (const lock of state.locks) {
    if (!lock.held)
      continue;
    const isWaited = cycle !== null && lock.name === cycle.lock;
    const place = isWaited ? stack.lastIndexOf("spin_lock") - cycle.calls.length
      : stack.lastIndexOf(lock.taken.function);
    if (place >= 0)
      found.set(place, lock.name);
  }
  return found;
}

function placeText({ function: name, file, line }) {
  return `${name} (${file}:${line})`;
}

function drawLocks({ locks, waits }) {
  return locks.map(lock => html("li", { class: lock.held ? "held" : "free-lock" },
    html("b", {}, lock.name), lock.held ? ` held since ${placeText(lock.taken)}` : " free",
    waits?.lock === lock.name ? html("span", { class: "wait" }, ` waited for in ${placeText(waits.at)}`) : null));
}

function drawStack(view) {
  const held = holders(view);
  if (view.stack.length === 0)
    return [html("li", { class: "note" }, "No call: the operation is over.")];
  const { waits } = view.state, last = view.stack.length - 1;
  return view.stack.map((name, place) => html("li", { style: `--depth: ${Math.min(place, 12)}` },
    html("code", {}, name),
    held.has(place) ? html("span", { class: "held" }, ` holds ${held.get(place)}`) : null,
    waits && place === last ? html("span", { class: "wait" }, ` waits for ${waits.lock}`) : null));
}

// The cycle as a ring of calls: downwards each calls the next, and the last waits for the first.
function drawCycle({ lock, calls }) {
  const row = 34, top = 12, left = 24, box = 190, right = left + box, height = top + calls.length * row;
  const parts = [];
  calls.forEach((name, index) => {
    const y = top + index * row, kind = index === 0 ? "holds" : index === calls.length - 1 ? "waits" : "between";
    if (index > 0)
      parts.push(svg("path", { class: "arrow", d: `M ${left + box / 2} ${y - 8} v 7`, "marker-end": "url(#tip)" }));
    parts.push(svg("rect", { class: `call ${kind}`, x: left, y, width: box, height: 25, rx: 5 }));
    parts.push(svg("text", { x: left + box / 2, y: y + 12.5, class: "call-name" }, name));
  });
  const first = top + 12.5, last = top + (calls.length - 1) * row + 12.5, far = right + 52;
  parts.push(svg("path", { class: "arrow back", "marker-end": "url(#tip-back)",
    d: `M ${right} ${last} H ${far - 14} q 14 0 14 -14 V ${first + 14} q 0 -14 -14 -14 H ${right + 3}` }));
  parts.push(svg("text", { class: "back-text",
    transform: `translate(${far + 14} ${(first + last) / 2}) rotate(90)` }, `waits for ${lock}`));
  const tip = (id, kind) => svg("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7,
    markerHeight: 7, orient: "auto" }, svg("path", { class: kind, d: "M 0 0 L 8 4 L 0 8 z" }));
  return svg("svg", { viewBox: `0 0 300 ${height}`, class: "cycle", role: "img", "aria-label":
    `${calls[0]} holds ${lock}. The calls: ${calls.join(", ")}. The last one waits for ${lock}.` },
    svg("defs", {}, tip("tip", "tip"), tip("tip-back", "tip back")), ...parts);
}
