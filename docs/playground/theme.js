// SPDX-License-Identifier: MIT
// Light or dark: as the system has it, until the reader chooses. The rest of the site remembers the same.
"use strict";

let chosen = null;
try {
  chosen = localStorage.getItem("theme");
} catch {}              // a page that may not remember anything

function isDark() {
  return chosen === "dark" || chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

showTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
document.getElementById("theme").addEventListener("click", () => {
  chosen = isDark() ? "light" : "dark";
  showTheme();
  try {
    localStorage.setItem("theme", chosen);
  } catch {}
});
