// Searching the scopes of a provider's page. Without it the whole list is there.
(() => {
  "use strict";
  const input = document.getElementById("scope-search");
  const status = document.getElementById("scope-status");
  if (!input || !status) return;
  input.parentElement.hidden = false;

  const groups = [...document.querySelectorAll(".scope-table tbody")].map((body) => ({
    body,
    rows: [...body.querySelectorAll("[data-scope]")].map((row) => ({ row, text: row.textContent.toLowerCase() })),
  }));

  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { body, rows } of groups) {
      const found = rows.filter(({ row, text }) => {
        row.hidden = !words.every((word) => text.includes(word));
        return !row.hidden;
      });
      body.hidden = found.length === 0;
      shown += found.length;
    }
    status.textContent = words.length ? `${shown} found.` : "";
  });
})();
