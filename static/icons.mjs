// Writes views/ui/icons.templ from lucide-static: the few icons that the views use, drawn inline, so that a page needs no request for
// them and the Go build needs no node. Run `npm run icons` after adding a name here, then `go tool templ generate -path views`.
import { readFile, writeFile } from "node:fs/promises";

const icons = {
  // what a thing is
  home: "house", tenant: "building-2", grant: "mailbox", mail: "mail", webhook: "webhook", verification: "shield-check", audit: "scroll-text",
  security: "lock", settings: "settings-2", application: "app-window", connector: "plug", key: "key-round", member: "users", receipt: "receipt-text",
  passkey: "fingerprint-pattern", region: "map-pin", activity: "activity", link: "link", account: "circle-user-round", document: "file-text",
  // how it stands
  good: "circle-check", warn: "triangle-alert", bad: "circle-x", wait: "circle-dashed", off: "circle-slash", ended: "circle-stop", info: "info",
  // what one can do
  search: "search", copy: "copy", check: "check", plus: "plus", next: "chevron-right", previous: "chevron-left", close: "x", menu: "menu",
  more: "ellipsis", sun: "sun", moon: "moon", system: "monitor", signout: "log-out", external: "arrow-up-right", rotate: "refresh-cw",
  trash: "trash-2", cut: "scissors", print: "printer", replay: "rotate-ccw", download: "download", edit: "pencil", send: "send",
  read: "mail-open", draft: "file-pen-line", folder: "folder", contact: "contact-round", down: "chevron-down", arrow: "arrow-right",
};

const folder = new URL("../node_modules/lucide-static/", import.meta.url);
const { version } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
let out = `package ui

// Made by static/icons.mjs from lucide-static ${version}. Do not edit.
// Lucide icons: ISC License, copyright (c) Lucide Icons and Contributors; parts from Feather, MIT License, copyright (c) Cole Bemis.

templ shapes(name string) {
	switch name {
`;
for (const [name, file] of Object.entries(icons)) {
  const svg = await readFile(new URL(`icons/${file}.svg`, folder), "utf8");
  const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.indexOf("</svg>"));
  const parts = inner.split("\n").map((l) => l.trim()).filter(Boolean);
  out += `		case "${name}":\n` + parts.map((p) => `			${p.replace(/\s*\/>$/, "></" + /^<(\w+)/.exec(p)[1] + ">")}\n`).join("");
}
out += "	}\n}\n";
await writeFile(new URL("../views/ui/icons.templ", import.meta.url), out);
console.log(`${Object.keys(icons).length} icons from lucide-static ${version}`);
