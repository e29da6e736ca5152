// SPDX-License-Identifier: MIT
// Light or dark, where furo cannot do it: as Debian packages it, its script is a module, which
// browsers do not load from a file, and its style has no colours for the theme "auto".
"use strict";

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

// What the reader has chosen; where a page may not remember anything, until it is left.
let chosen = null;
try {
  chosen = localStorage.getItem("theme");
} catch {}

function showTheme() {
  const system = prefersDark.matches ? "dark" : "light";
  document.body.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : system;
}

addEventListener("load", () => {
  const page = document.documentElement.classList;
  if (!page.contains("no-js"))
    return;             // furo's own script is at work
  page.remove("no-js");
  showTheme();
  prefersDark.addEventListener("change", showTheme);
  for (const button of document.getElementsByClassName("theme-toggle"))
    button.addEventListener("click", () => {
      chosen = document.body.dataset.theme === "dark" ? "light" : "dark";
      showTheme();
      try {
        localStorage.setItem("theme", chosen);
      } catch {}
    });
});
