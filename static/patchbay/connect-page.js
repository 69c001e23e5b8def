// Small comforts on the customer's pages; everything works without it.
(function () {
  "use strict";
  var KEY = "patchbay-popup";

  function remembered(write) {
    try {
      if (write) sessionStorage.setItem(KEY, "1");
      return sessionStorage.getItem(KEY) === "1";
    } catch (refused) {
      return false; // storage is blocked
    }
  }

  // connect.js marks the window that it opened. The mark outlives the trip to the provider, whereas
  // window.opener and window.name do not (Cross-Origin-Opener-Policy).
  if (location.hash === "#patchbay-popup") {
    remembered(true);
    history.replaceState(null, "", location.pathname + location.search);
  }

  var ended = document.querySelector('[data-outcome="connected"]');
  if (ended && remembered(false)) {
    try { sessionStorage.removeItem(KEY); } catch (refused) { /* nothing to forget */ }
    setTimeout(function () { window.close(); }, 1500);
  }

  // The page that comes back from the browser's memory must not keep its button locked.
  var form = document.querySelector(".connect-form");
  if (form) {
    var button = form.querySelector("button[type=submit]");
    form.addEventListener("submit", function (event) {
      if (button.getAttribute("aria-disabled") === "true") event.preventDefault();
      button.setAttribute("aria-disabled", "true");
    });
    window.addEventListener("pageshow", function () { button.removeAttribute("aria-disabled"); });
  }

  // What is typed unseen may be looked at; it is unseen again before it is sent, so that no browser keeps it as text.
  document.querySelectorAll("input[data-show]").forEach(function (input) {
    var look = document.createElement("button");
    function show(isShown) {
      input.type = isShown ? "text" : "password";
      look.textContent = input.getAttribute(isShown ? "data-hide" : "data-show");
    }
    look.type = "button";
    look.className = "look";
    look.setAttribute("aria-controls", input.id);
    look.addEventListener("click", function () { show(input.type === "password"); input.focus(); });
    show(false);
    input.after(look);
    input.form.addEventListener("submit", function () { show(false); });
  });

  document.querySelectorAll("[data-copy]").forEach(function (element) {
    if (!navigator.clipboard) return;
    var copy = document.createElement("button");
    copy.type = "button";
    copy.className = "copy";
    copy.textContent = element.getAttribute("data-copy");
    copy.addEventListener("click", function () {
      navigator.clipboard.writeText(element.textContent).then(function () { copy.textContent += " ✓"; copy.disabled = true; });
    });
    element.after(copy);
  });
})();
