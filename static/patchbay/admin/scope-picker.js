// Search and counts for the scope list. Without this script the groups can be opened and ticked by hand.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const picker of document.querySelectorAll("[data-scope-picker]")) start(picker);

  function start(picker) {
    const search = picker.querySelector("[data-scope-search]");
    const only = picker.querySelector("[data-scope-only]");
    const none = picker.querySelector("[data-scope-none]");
    const groups = [...picker.querySelectorAll(".pb-scopes__group")].map((element) => ({
      element,
      wasOpen: element.open,
      count: element.querySelector("[data-group-count]"),
      name: element.querySelector("summary").firstChild.textContent.toLowerCase(),
      rows: [...element.querySelectorAll("[data-scope]")].map((row) => {
        const [pick, optional] = row.querySelectorAll("input");
        return { row, pick, optional, text: row.textContent.toLowerCase() };
      }),
    }));
    search.hidden = false;
    only.hidden = false;

    function filter() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosenOnly = only.querySelector("input").checked;
      const isFiltering = words.length > 0 || chosenOnly;
      let total = 0;
      for (const group of groups) {
        let shown = 0;
        for (const { row, pick, text } of group.rows) {
          const fits = words.every((word) => text.includes(word) || group.name.includes(word));
          row.hidden = !fits || (chosenOnly && !pick.checked);
          shown += row.hidden ? 0 : 1;
        }
        group.element.hidden = shown === 0;
        group.element.open = isFiltering ? shown > 0 : group.wasOpen || group.rows.some(({ pick }) => pick.checked);
        total += shown;
      }
      none.hidden = total > 0;
    }

    function count() {
      let required = 0;
      let optional = 0;
      let hasOptional = false;
      for (const group of groups) {
        const picked = group.rows.filter(({ pick }) => pick.checked);
        group.count.textContent = String(picked.length);
        for (const row of picked) {
          hasOptional = hasOptional || Boolean(row.optional);
          if (row.optional && row.optional.checked) optional += 1;
          else required += 1;
        }
      }
      const withOptional = hasOptional || groups.some(({ rows }) => rows.some((row) => row.optional));
      picker.querySelector("[data-scope-count]").textContent =
        `${required} required` + (withOptional ? `, ${optional} optional` : "");
    }

    picker.addEventListener("change", (event) => {
      const element = event.target.closest("[data-scope]");
      if (element) {
        const [pick, optional] = element.querySelectorAll("input");
        if (optional && event.target === optional && optional.checked) pick.checked = true;
        // A customer without the plan could not connect at all: suggest optional.
        if (optional && event.target === pick) optional.checked = pick.checked && "paid" in element.dataset;
      }
      count();
    });
    search.addEventListener("input", filter);
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // it would send the form
    });
    only.addEventListener("change", filter);
  }
});
