// SPDX-License-Identifier: MIT
// The page: what the user does becomes operations, and what the worker says of them is drawn.
//
// A situation is a lab, a log level, operations, and how far into one of them somebody looks. The address
// always names it; whoever opens that address sees the same.
"use strict";

const FILL_COUNT = 200;         // objects that one press of "Fill" asks for
const RUN_LOOKS = 30;           // pictures of a run
const RUN_MS = 40;              // for each of them

// Situations to begin with.
const EXAMPLES = [
  ["Blocks split and merge", "#lab=2&log=info&do=take+0,take+0,take+6,take+6,free+3,free+4"],
  ["Slabs fill", "#lab=2&log=info&do=allocate+100,fill+100+30,fill+24+200,free+7"],
  ["The heap is exhausted", "#lab=2&log=info&do=fill+4000+100"],
  ["The deadlock, which answers lab 3", "#lab=3&log=debug&do=unpack"],
  ["The cure", "#lab=4&log=debug&do=unpack"],
];

const by = id => document.getElementById(id);
const labs = Object.keys(MACHINES.modules).map(Number);

// ---- the situation

// How an operation ends. Whatever else the worker says is what is wrong with its words.
const OUTCOMES = {
  done: "The operation is over.", waits: "The CPU waits for a lock, for ever.", panicked: "The kernel has panicked.",
};

let situation = null;           // { lab, level, operations, at, step }; step null: the end
let shown = null;               // what the worker has said of it: { nrSteps, outcome, view }
let turn = 0;                   // a newer one makes what is under way stop

function lookAt(steps, nrLooks = 0) {
  const { lab, level, operations, at } = situation;
  return ask("look", { lab, level, operations: operations.slice(0, at), steps, nrLooks });
}

// Takes back the operation that is looked at, and those behind it: it cannot be carried out.
function refuse(why) {
  complain(why);
  document.body.removeAttribute("aria-busy");
  if (situation.at === 0)
    return false;
  situation.operations.splice(situation.at - 1);
  Object.assign(situation, { at: situation.operations.length, step: null });
  return show();
}

// Shows the situation. Return: false if a newer one has come meanwhile.
async function show() {
  const mine = ++turn, { step } = situation;
  document.body.setAttribute("aria-busy", "true");
  let answer;
  try {
    answer = await lookAt(step === null ? [] : [step]);
  } catch (error) {
    return mine === turn && refuse(error.message);
  }
  if (mine !== turn)
    return false;
  const { nrSteps, outcome, views } = answer;
  if (!(outcome in OUTCOMES))
    return refuse(`operation ${situation.at}, “${situation.operations[situation.at - 1]}”: ${outcome}.`);
  if (step !== null && (step < 1 || step >= nrSteps))
    situation.step = null;
  draw({ nrSteps, outcome, view: views[0] });
  document.body.removeAttribute("aria-busy");
  return true;
}

async function run() {
  const mine = ++turn;
  const { nrSteps, outcome, views } = await lookAt([], RUN_LOOKS);
  for (const view of views) {
    if (mine !== turn)
      return;
    situation.step = view.step < nrSteps ? view.step : null;
    draw({ nrSteps, outcome, view });
    await new Promise(done => setTimeout(done, RUN_MS));
  }
}

function complain(text) {
  by("complaint").textContent = text;
  by("complaint").hidden = text === "";
}

async function perform(words) {
  if (isStopped()) {
    complain("This machine will do nothing more. Undo, or start over.");
    return;
  }
  complain("");
  situation.operations.push(words);
  situation.at = situation.operations.length;
  situation.step = null;
  if (await show() && situation.operations.at(-1) === words && !matchMedia("(prefers-reduced-motion: reduce)").matches)
    await run();
}

// Has the last operation left a machine that stands still?
function isStopped() {
  return situation.at === situation.operations.length && shown.outcome !== "done";
}

function walkTo(step) {
  complain("");
  situation.step = step >= shown.nrSteps ? null : Math.max(step, 1);
  return show();
}

// The slider moves faster than a long operation runs: only where it is by then counts.
let slidTo = null, isSliding = false;

async function slide(step) {
  slidTo = step;
  if (isSliding)
    return;
  isSliding = true;
  while (slidTo !== null) {
    const next = slidTo;
    slidTo = null;
    await walkTo(next);
  }
  isSliding = false;
}

// ---- what the user does

function restart() {
  Object.assign(situation, { operations: [], at: 0 });
  return change();
}

// The same operations on another machine.
function change() {
  Object.assign(situation, { lab: Number(by("lab").value), level: Number(by("level").value), step: null });
  complain("");
  return show();
}

function bytesGiven() {
  return by("controls").reportValidity() ? by("bytes").value : null;
}

function listen() {
  by("controls").addEventListener("submit", event => {
    event.preventDefault();
    perform(`allocate ${by("bytes").value}`);
  });
  by("fill").addEventListener("click", () => {
    if (bytesGiven() !== null)
      perform(`fill ${bytesGiven()} ${FILL_COUNT}`);
  });
  by("take").addEventListener("click", () => perform(`take ${by("order").value}`));
  by("free").addEventListener("click", () => {
    if (by("thing").value === "")
      complain("There is nothing to give back.");
    else
      perform(`free ${by("thing").value}`);
  });
  by("free-all").addEventListener("click", () => perform("free all"));
  for (const words of ["unpack", "log", "dmesg"])
    by(words).addEventListener("click", () => perform(words));
  by("again").addEventListener("click", restart);
  by("lab").addEventListener("change", change);
  by("level").addEventListener("change", change);
  by("step").addEventListener("input", () => slide(Number(by("step").value)));
  by("back").addEventListener("click", () => walkTo(shown.view.step - 1));
  by("next").addEventListener("click", () => walkTo(shown.view.step + 1));
  by("run").addEventListener("click", run);
  by("link").addEventListener("focus", () => by("link").select());
  addEventListener("hashchange", open);
}

function open() {
  const { complaints, ...found } = situationOf(location.hash, labs);
  situation = found;
  complain(complaints.join(" "));
  return show();
}

// The smallest module whose memory has 64-bit addresses: a section of one memory, of one page.
const MEMORY_64 = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 4, 1]);

async function start() {
  if (!WebAssembly.validate(MEMORY_64) || typeof DecompressionStream === "undefined") {
    by("without").hidden = false;
    return;
  }
  by("lab").append(...labs.map(lab => html("option", { value: lab }, `${lab}: ${MACHINES.titles[lab]}`)));
  by("order").append(...Array.from({ length: MAX_ORDER + 1 }, (_, order) => {
    const kib = 4 << order;
    return html("option", { value: order }, `${order}: ${kib < 1024 ? `${kib} KiB` : `${kib >> 10} MiB`}`);
  }));
  by("examples").append(...EXAMPLES.filter(([, link]) => labs.includes(Number(link.match(/lab=(\d+)/)[1])))
    .map(([title, link]) => html("li", {}, html("a", { href: link }, title))));
  await startWorker();
  listen();
  for (const id of ["examples", "controls", "steps", "views"])
    by(id).hidden = false;
  await open();
  document.body.dataset.ready = "yes";
}

start();
