// Filters the provider cards while typing. Without this script the form asks the server.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const search = document.getElementById("provider-search");
  const cards = [...document.querySelectorAll("#provider-cards > li")];
  const none = document.getElementById("provider-none");
  if (!search) return;
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      card.hidden = !words.every((word) => card.dataset.search.includes(word));
      shown += card.hidden ? 0 : 1;
    }
    none.hidden = shown > 0;
  });
});
