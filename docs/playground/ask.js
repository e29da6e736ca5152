// SPDX-License-Identifier: MIT
// Questions to the worker, and its answers.
"use strict";

let worker = null, nrAsked = 0;
const waiting = new Map();      // by the question's number: who waits for the answer

function startWorker() {
  const text = `"use strict"; (${machineWorker})();`;
  worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    error === undefined ? resolve(answer) : reject(new Error(error));
  };
  return ask("load", MACHINES);
}

function ask(kind, request) {
  const id = ++nrAsked;
  worker.postMessage({ id, kind, request });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}
