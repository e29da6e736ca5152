// SPDX-License-Identifier: MIT
// Draws what the worker has said of the situation (page.js), each part with the file of its subject.
"use strict";

function stepText({ nrSteps, outcome, view }) {
  if (view.step < nrSteps)
    return `Step ${view.step.toLocaleString("en")} of ${nrSteps.toLocaleString("en")}: in ` +
      (view.stack.at(-1) ?? "no function");
  const what = situation.at === 0 ? "The machine has started." : OUTCOMES[outcome];
  return `${what} ${counted(nrSteps, "step")} so far.`;
}

function drawOperations(outcome) {
  const chips = ["start", ...situation.operations].map((words, at) => {
    const isLast = at === situation.operations.length;
    const button = html("button", { type: "button", id: `operation-${at}`,
      "aria-current": at === situation.at ? "step" : null,
      class: isLast && at === situation.at ? outcome : null }, words);
    button.addEventListener("click", () => {
      Object.assign(situation, { at, step: null });
      complain("");
      show();
    });
    return html("li", {}, button);
  });
  if (situation.operations.length > 0) {
    const undo = html("button", { type: "button", id: "undo" }, "Undo");
    undo.addEventListener("click", async () => {
      situation.operations.pop();
      Object.assign(situation, { at: situation.operations.length, step: null });
      complain("");
      await show();
      (by("undo") ?? by("again")).focus();
    });
    chips.push(html("li", {}, undo));
  }
  by("operations").replaceChildren(...chips);
}

function drawThings({ things }) {
  const before = by("thing").value;
  by("thing").replaceChildren(...things.map(([number, isBlock, , size]) =>
    html("option", { value: number }, isBlock ? `${number}: block of order ${size}` : `${number}: ${size} bytes`)));
  if (things.some(([number]) => String(number) === before))
    by("thing").value = before;
}

function drawControls({ nrSteps, outcome, view }) {
  by("lab").value = situation.lab;
  by("level").value = situation.level;
  for (const id of ["allocate", "fill", "take", "free", "free-all", "unpack", "log", "dmesg"])
    by(id).setAttribute("aria-disabled", isStopped());
  drawThings(view.state);
  by("step").max = nrSteps;
  by("step").value = view.step;
  by("step").setAttribute("aria-valuetext", stepText({ nrSteps, outcome, view }));
}

function drawDeadlock(view) {
  const cycle = cycleOf(view);
  by("deadlock").hidden = cycle === null;
  if (cycle !== null) {
    by("deadlock-text").textContent = `${cycle.calls[0]}, at the top, holds ${cycle.lock}. ` +
      `The calls lead to ${cycle.calls.at(-1)}, at the bottom, which waits for ${cycle.lock}.`;
    by("cycle").replaceChildren(drawCycle(cycle));
  }
}

function draw({ nrSteps, outcome, view }) {
  const previous = shown?.view.state;
  const focused = document.activeElement?.id;
  shown = { nrSteps, outcome, view };
  drawOperations(outcome);
  drawControls(shown);
  by("status").textContent = stepText(shown);
  by("frames").replaceChildren(...drawFrames(view.state, previous));
  by("frames").setAttribute("aria-label", describeFrames(view.state));
  by("frames-text").textContent = describeFrames(view.state);
  by("locks").replaceChildren(...drawLocks(view.state));
  by("stack").replaceChildren(...drawStack(view));
  by("reserve").replaceChildren(...drawReserve(view.state));
  by("slabs").replaceChildren(...drawSlabs(view.state));
  by("log-picture").replaceChildren(...drawLog(view.state));
  by("console").textContent = view.text;
  by("console").scrollTop = by("console").scrollHeight;
  drawDeadlock(view);
  const link = linkOf(situation);
  if (location.hash !== link)
    history.replaceState(null, "", link);
  by("link").value = location.href;
  if (focused && document.activeElement?.id !== focused)
    by(focused)?.focus();
}
