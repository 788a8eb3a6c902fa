// What makes the portal nicer where scripts run. Every page works without it; nothing here decides anything.

// Theme: the form posts and reloads without this; with it the change is at once. The server reads the same cookie.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.matches("[data-theme-form]")) return;
  const theme = event.submitter?.value ?? "";
  event.preventDefault();
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme === "paper" || theme === "ink" ? theme : ""}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  if (theme === "paper" || theme === "ink") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  for (const b of form.querySelectorAll("button")) b.setAttribute("aria-pressed", String(b.value === theme));
});

// Copy buttons are hidden until now: without a script they could do nothing.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const label = button.querySelector("[data-copy-label]");
    const before = label?.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    button.classList.add("is-done");
    if (label) label.textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("is-done");
      if (label) label.textContent = before;
    }, 1600);
  });
}

// "/" goes to the search field, Escape leaves it.
document.addEventListener("keydown", (event) => {
  const search = document.querySelector("input[data-search]");
  if (!search || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && search.offsetParent !== null) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search) search.blur();
});

// Filters apply when a choice is made; the Apply button stays for those without a script.
for (const form of document.querySelectorAll("form[data-filters]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
}

// A form is sent once: a second click while the first is under way would be a second act.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const b of form.querySelectorAll("[aria-busy]")) b.removeAttribute("aria-busy");
  }
});

// Errors of a form take the focus, so that a screen reader begins with them.
document.querySelector("[data-error-summary]")?.focus();

// An open menu closes by Escape and by a click elsewhere.
const close = (except) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) if (menu !== except) menu.open = false;
};
document.addEventListener("click", (event) => close(event.target.closest?.("details[data-menu]")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = event.target.closest?.("details[data-menu][open]");
  close();
  open?.querySelector("summary").focus();
});

// Long work: what the page shows stays right while it is open. Another state than the one that was drawn is a page that is drawn anew.
for (const live of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(live.dataset.live);
  source.addEventListener("progress", (event) => {
    const news = JSON.parse(event.data);
    for (const bar of live.querySelectorAll("[data-live-bar]")) {
      const now = news.bars[bar.dataset.liveBar];
      if (now) [bar.value, bar.max] = [now.done, Math.max(now.total, 1)];
    }
    for (const text of live.querySelectorAll("[data-live-text]")) text.textContent = news.bars[text.dataset.liveText]?.text ?? text.textContent;
    if (news.state !== live.dataset.liveState) {
      source.close();
      location.reload();
    }
  });
}

// A list whose rows can be chosen says how many are. Without this its buttons work all the same.
for (const form of document.querySelectorAll("form[data-pick]")) {
  const count = form.querySelector("[data-pick-count]");
  const all = form.querySelector("[data-pick-all]");
  const say = () => {
    const n = form.querySelectorAll("input[name=grant]:checked").length;
    count.hidden = n === 0 || Boolean(all?.checked);
    count.textContent = n + " chosen";
  };
  form.addEventListener("change", say);
  window.addEventListener("pageshow", say);
}

// Print: the button is hidden until it can work.
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
