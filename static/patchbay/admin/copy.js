// Buttons that copy the text of another element. Without this script they stay hidden and the text can be selected.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    button.hidden = !source;
    button.addEventListener("click", async () => {
      let copied = true;
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
      } catch {
        // No clipboard over plain http: select the text, so that the keyboard can copy it.
        window.getSelection().selectAllChildren(source);
        copied = document.execCommand("copy");
      }
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
      window.setTimeout(() => { button.textContent = label; }, 2500);
    });
  }
});
