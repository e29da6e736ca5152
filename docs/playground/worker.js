// SPDX-License-Identifier: MIT
// What runs in the worker: the machine, one operation at a time, as far as somebody wants to look.
//
// A state follows from the operations alone. So nothing is recorded: to look at step n of an operation,
// the memory from before it is taken, and the operation runs again. A step is a call of a function, or
// a return; the machine says each of them (clang's -finstrument-functions).
//
// The function is made into a worker of its own by its text (page.js): a page that was opened as a file
// may not load a worker from another file. It must not use anything from outside.
"use strict";

function machineWorker() {
  const KEPT = 2;               // memories that are kept, of 16 MiB each
  const modules = new Map();    // by lab: { module, names }
  const before = new Map();     // by lab, level and operations: what they have left behind
  let archive = null;

  // Thrown in a call of the machine, to leave it for good.
  class Stop { constructor(outcome) { this.outcome = outcome; } }

  async function unpacked(base64) {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // The functions' names by their numbers: the module's section "name", subsection 1
  // (WebAssembly specification, appendix "Custom Sections").
  function functionNames(module) {
    const bytes = new Uint8Array(WebAssembly.Module.customSections(module, "name")[0]);
    const names = new Map();
    let at = 0;
    function number() {
      let value = 0, shift = 0, byte;
      do {
        byte = bytes[at++];
        value |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte & 0x80);
      return value;
    }
    while (at < bytes.length) {
      const kind = bytes[at++], length = number(), end = at + length;
      if (kind === 1)
        for (let left = number(); left > 0; left--) {
          const index = number(), nameBytes = number();
          names.set(index, new TextDecoder().decode(bytes.subarray(at, at + nameBytes)));
          at += nameBytes;
        }
      at = end;
    }
    return names;
  }

  // One instance, which carries out one operation.
  class Machine {
    constructor({ module, names }, steps) {
      this.names = names;
      this.wanted = new Set(steps);
      this.step = 0;
      this.stack = [];
      this.text = "";
      this.views = new Map();
      this.isLooking = false;           // calls are then not the operation's
      const instance = new WebAssembly.Instance(module, { env: {
        __cyg_profile_func_enter: pointer => this.takeStep(() => this.stack.push(this.nameOf(pointer))),
        __cyg_profile_func_exit: () => this.takeStep(() => this.stack.pop()),
        outside_write: (at, nrBytes) => { this.text += this.read(Number(at), Number(nrBytes)); },
        outside_waits: () => { throw new Stop("waits"); },
        outside_panicked: () => { throw new Stop("panicked"); },
      } });
      this.calls = instance.exports;
      this.bytes = new Uint8Array(this.calls.memory.buffer);
    }

    read(at, nrBytes) {
      return new TextDecoder().decode(this.bytes.subarray(at, at + nrBytes));
    }

    readText(pointer) {
      const at = Number(pointer);
      return this.read(at, this.bytes.indexOf(0, at) - at);
    }

    // A pointer to a function is its place in the table. What lies there is called by its number. Clang 19
    // makes tables whose places are 64-bit numbers, clang 14 does not.
    nameOf(pointer) {
      const table = this.calls.__indirect_function_table;
      return this.names.get(Number(table.get(typeof table.length === "bigint" ? pointer : Number(pointer)).name));
    }

    takeStep(move) {
      if (this.isLooking)
        return;
      move();
      this.step++;
      if (this.wanted.has(this.step))
        this.look(this.step);
    }

    look(key) {
      this.isLooking = true;
      const state = JSON.parse(this.readText(this.calls.state()));
      this.isLooking = false;
      this.views.set(key, { step: this.step, stack: [...this.stack], text: this.text, state });
    }

    // Return: how it ended: "done", "waits", "panicked", or what is wrong with the words.
    run(work) {
      let outcome = "done";
      try {
        const wrong = work();
        if (wrong)
          outcome = this.readText(wrong);
      } catch (stop) {
        if (!(stop instanceof Stop))
          throw stop;
        outcome = stop.outcome;
      }
      this.look("end");
      return outcome;
    }
  }

  // Carries out the last of the operations, or starts the machine if there is none.
  function carryOut(lab, level, operations, steps) {
    const machine = new Machine(modules.get(lab), steps);
    if (operations.length === 0) {
      machine.bytes.set(archive, Number(machine.calls.archive()));
      machine.outcome = machine.run(() => machine.calls.start(BigInt(archive.length), level));
      return machine;
    }
    const kept = leftBehind(lab, level, operations.slice(0, -1));
    if (kept.outcome !== "done")
      throw new Error(`operation ${operations.length}, “${operations.at(-1)}”: the machine stands still.`);
    machine.bytes.set(kept.memory);
    machine.text = kept.text;
    const words = new TextEncoder().encode(`${operations.at(-1).slice(0, 60)}\0`);
    machine.bytes.set(words, Number(machine.calls.words()));
    machine.outcome = machine.run(() => machine.calls.operate());
    return machine;
  }

  // What is there after these operations.
  function leftBehind(lab, level, operations) {
    const key = JSON.stringify([lab, level, operations]);
    if (!before.has(key)) {
      const machine = carryOut(lab, level, operations, []);
      before.set(key, { memory: machine.bytes, text: machine.text, outcome: machine.outcome });
      if (before.size > KEPT)
        before.delete(before.keys().next().value);
    }
    return before.get(key);
  }

  // How often somebody looks while an operation runs: so many steps, evenly.
  function evenly(nrSteps, nrLooks) {
    return Array.from({ length: nrLooks }, (_, look) => Math.round((look + 1) * nrSteps / (nrLooks + 1)));
  }

  const answers = {
    async load({ modules: given, archive: packed }) {
      archive = await unpacked(packed);
      for (const [lab, base64] of Object.entries(given)) {
        const module = await WebAssembly.compile(await unpacked(base64));
        modules.set(Number(lab), { module, names: functionNames(module) });
      }
    },

    // The last operation at these steps, or at so many steps of it, and at its end.
    look({ lab, level, operations, steps = [], nrLooks = 0 }) {
      let machine = carryOut(lab, level, operations, steps);
      if (nrLooks > 0)
        machine = carryOut(lab, level, operations, evenly(machine.step, Math.min(nrLooks, machine.step)));
      return { nrSteps: machine.step, outcome: machine.outcome, views: [...machine.views.values()] };
    },
  };

  onmessage = async ({ data: { id, kind, request } }) => {
    try {
      postMessage({ id, answer: await answers[kind](request) });
    } catch (error) {
      postMessage({ id, error: error.message });
    }
  };
}
