// Patchbay.connect(url, { onSuccess, onError, onClose, mode })
//
// Opens a connect link and tells how it went. Call it inside the click. url may be a promise (your server makes
// the link meanwhile): the window is opened in the click, so that no blocker stops it.
//
//   onSuccess({ status: "connected", UUID })     once
//   onError({ status, UUID, reason })            "denied" or "failed": the customer may still try again in the window;
//                                                "expired", "revoked", "unreachable": over
//   onClose({ UUID })                            a hint, at most once: the customer is back on your page and there is
//                                                no result; onSuccess may still follow
//   mode: "popup" (default; same tab where a popup is blocked) or "same-tab" (use returnUrl; no callback is called)
//
// The result is read from `{url}/status`, which answers to the origins that staff allowed for you. Neither
// window.opener nor popup.closed is relied on: Cross-Origin-Opener-Policy cuts both.
(function (root) {
  "use strict";
  var POLL = 1500, POLL_HIDDEN = 5000, BACK_AFTER = 4000, MAX_MISSES = 8;

  function statusUrl(url) {
    return url.replace(/[?#].*$/, "").replace(/\/$/, "") + "/status";
  }

  function connect(url, options) {
    var on = options || {}, popup = null, timer = 0, misses = 0, stopped = false, first = true, shown = "", uuid = null,
      told = false, backTimer = 0, target = "";

    function call(name, value) { if (typeof on[name] === "function") on[name](value); }

    function stop() {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(backTimer);
      root.removeEventListener("focus", back);
      root.document.removeEventListener("visibilitychange", seen);
    }

    function end(name, value) { stop(); call(name, value); }

    // Someone who comes back to this page and stays a while without a result has closed the window, or left it.
    function back() {
      clearTimeout(backTimer);
      if (stopped || told) return;
      look();
      backTimer = setTimeout(function () {
        if (stopped || told || !root.document.hasFocus()) return;
        told = true;
        call("onClose", { UUID: uuid });
      }, BACK_AFTER);
    }

    function seen() { if (!root.document.hidden) back(); }

    function read(answer) {
      var text = JSON.stringify(answer), state = answer.status;
      misses = 0;
      uuid = answer.UUID || uuid;
      if (state === "completed") return end("onSuccess", { status: "connected", UUID: uuid });
      if (state === "expired" || state === "revoked") return end("onError", { status: state, UUID: uuid, reason: answer.reason || state });
      // A failure that was there before this call is none of ours.
      if (state === "failed" && text !== shown && !first) {
        call("onError", { status: answer.reason === "denied" ? "denied" : "failed", UUID: uuid, reason: answer.reason || "failed" });
      }
      shown = text;
      first = false;
    }

    function next() {
      clearTimeout(timer);
      if (!stopped) timer = setTimeout(look, root.document.hidden ? POLL_HIDDEN : POLL);
    }

    function look() {
      clearTimeout(timer);
      if (stopped) return;
      root.fetch(statusUrl(target), { credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" })
        .then(function (response) {
          if (response.status === 404) { misses = MAX_MISSES; throw new Error("not found"); }
          if (!response.ok) throw new Error("status " + response.status);
          return response.json();
        })
        .then(function (answer) { if (!stopped) read(answer); })
        .catch(function () {
          misses += 1;
          if (!stopped && misses >= MAX_MISSES) end("onError", { status: "unreachable", UUID: uuid, reason: "status_unreachable" });
        })
        .then(next);
    }

    function go(link) {
      if (stopped) return;
      target = String(link);
      if (!/^https?:\/\//i.test(target)) {
        if (popup) popup.close();
        return end("onError", { status: "failed", UUID: null, reason: "invalid_url" });
      }
      if (!popup) { stop(); root.location.assign(target); return; }
      try { popup.opener = null; } catch (refused) { /* the provider's pages get no hold on this one */ }
      popup.location.replace(target.replace(/#.*$/, "") + "#patchbay-popup");
      root.addEventListener("focus", back);
      root.document.addEventListener("visibilitychange", seen);
      look();
    }

    if (on.mode !== "same-tab") {
      var left = Math.max(0, (root.screenX || 0) + ((root.outerWidth || 520) - 520) / 2),
        top = Math.max(0, (root.screenY || 0) + ((root.outerHeight || 760) - 760) / 2);
      try {
        popup = root.open("about:blank", "_blank", "popup,width=520,height=760,left=" + left + ",top=" + top);
      } catch (blocked) { popup = null; }
    }

    if (url && typeof url.then === "function") {
      url.then(go, function () {
        if (popup) popup.close();
        end("onError", { status: "failed", UUID: null, reason: "no_link" });
      });
    } else go(url);

    return { stop: stop };
  }

  root.Patchbay = Object.assign(root.Patchbay || {}, { connect: connect });
})(window);
