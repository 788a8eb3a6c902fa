// Builds static/dist: one style sheet, the ES modules, and manifest.json, which maps each plain name to its hashed one.
// The hash is of the content, so a file may be cached for ever and a changed file has another address.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const dist = join(here, "dist");
const budget = { css: 20 * 1024, js: 10 * 1024 };

const work = await mkdtemp(join(tmpdir(), "postern-static-"));
const files = new Map();
try {
  const css = join(work, "app.css");
  await promisify(execFile)(process.execPath, [
    join(root, "node_modules/@tailwindcss/cli/dist/index.mjs"), "--minify", "--input", join(here, "css/app.css"), "--output", css,
  ], { cwd: root });
  files.set("app.css", await readFile(css));
  const made = await build({
    entryPoints: [join(here, "js/app.js"), join(here, "js/passkey.js")],
    bundle: true, format: "esm", minify: true, target: "es2022", write: false, outdir: work, legalComments: "none",
  });
  for (const f of made.outputFiles) files.set(f.path.slice(work.length + 1), Buffer.from(f.contents));
  files.set("icon.svg", await readFile(join(here, "img/icon.svg")));
} finally {
  await rm(work, { recursive: true, force: true });
}

await mkdir(dist, { recursive: true });
for (const old of await readdir(dist)) if (old !== ".keep") await rm(join(dist, old), { recursive: true });

const manifest = {};
const spent = { css: 0, js: 0 };
for (const [name, bytes] of [...files].sort(([a], [b]) => a.localeCompare(b))) {
  const dot = name.lastIndexOf(".");
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  manifest[name] = `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
  await writeFile(join(dist, manifest[name]), bytes);
  const small = brotliCompressSync(bytes).length;
  const kind = name.slice(dot + 1);
  if (kind in spent) spent[kind] += small;
  console.log(`${manifest[name]}  ${bytes.length} B, ${small} B compressed`);
}
await writeFile(join(dist, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");

const over = Object.keys(budget).filter((k) => spent[k] > budget[k]);
for (const k of over) console.error(`${k} is ${spent[k]} B compressed, ${budget[k]} B are allowed`);
process.exit(over.length ? 1 : 0);
