// The redirect URL follows the short name while it is typed. Without this script the pattern stands there.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const shown of document.querySelectorAll("[data-redirect-url][data-slug-field]")) {
    const field = document.getElementById(shown.dataset.slugField);
    if (!field) continue;
    const update = () => {
      const slug = field.value.trim() || shown.dataset.placeholder;
      shown.textContent = shown.dataset.prefix + slug + shown.dataset.suffix;
    };
    field.addEventListener("input", update);
    update();
  }
});
