// SPDX-License-Identifier: MIT
// Light or dark, where furo cannot do it: as Debian packages it, its script is a module, which
// browsers do not load from a file, and its style has no colours for the theme "auto".
"use strict";

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  document.body.dataset.theme =
    localStorage.getItem("theme") || (prefersDark.matches ? "dark" : "light");
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
      const isDark = document.body.dataset.theme === "dark";
      localStorage.setItem("theme", isDark ? "light" : "dark");
      showTheme();
    });
});
