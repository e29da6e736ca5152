// SPDX-License-Identifier: MIT
// The address of a situation: which lab, which level, which operations, and how far into which of them.
//
//     #lab=3&log=debug&do=allocate+100,unpack&at=2&step=412
//
// `at` counts operations, 0 is the start; without it the last one is meant. `step` is missing at its end.
"use strict";

const LEVELS = ["error", "warn", "info", "debug"];

function linkOf({ lab, level, operations, at, step }) {
  const words = new URLSearchParams({ lab, log: LEVELS[level] });
  if (operations.length > 0)
    words.set("do", operations.join(","));
  if (at < operations.length)
    words.set("at", at);
  if (step !== null)
    words.set("step", step);
  return `#${words.toString().replaceAll("%2C", ",")}`;
}

// Return: the situation, and in `complaints` what of the link could not be understood.
function situationOf(link, labs) {
  const words = new URLSearchParams(link.replace(/^#/, "")), complaints = [];
  function oneOf(name, known, otherwise) {
    const given = words.get(name);
    if (given === null || known.includes(given))
      return given ?? otherwise;
    complaints.push(`${name}=${given}: there is no such ${name} here. There are: ${known.join(", ")}.`);
    return otherwise;
  }
  function numberUpTo(name, most) {
    const given = words.get(name);
    if (given === null || /^\d{1,9}$/.test(given) && Number(given) <= most)
      return given === null ? null : Number(given);
    complaints.push(`${name}=${given}: it must be a number${most < Infinity ? ` up to ${most}` : ""}.`);
    return null;
  }
  for (const name of words.keys())
    if (!["lab", "log", "do", "at", "step"].includes(name))
      complaints.push(`${name}: a link has no such word.`);
  const lab = Number(oneOf("lab", labs.map(String), String(labs.at(-1))));
  const level = LEVELS.indexOf(oneOf("log", LEVELS, "debug"));
  const operations = (words.get("do") ?? "").split(",").map(text => text.trim()).filter(text => text !== "");
  const at = numberUpTo("at", operations.length) ?? operations.length;
  return { lab, level, operations, at, step: numberUpTo("step", Infinity), complaints };
}
