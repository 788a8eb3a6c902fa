// Starts a demo of its own, runs the suite against it, and stops it. Arguments: the postern program (default ../../bin/postern).
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, chmodSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const program = path.resolve(here, process.argv[2] ?? '../../bin/postern');
if (!existsSync(program)) {
  console.error(`${program} is missing: run make build`);
  process.exit(2);
}
const installed = path.join(here, 'node_modules', '.package-lock.json');
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(path.join(here, 'package-lock.json')).mtimeMs) {
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--silent'], { cwd: here, stdio: 'inherit' });
  if (npm.status !== 0) process.exit(npm.status ?? 1);
}

const freePort = () => new Promise((resolve, reject) => {
  const server = net.createServer().on('error', reject).listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const folder = mkdtempSync(path.join(tmpdir(), 'postern-client-'));
chmodSync(folder, 0o755); // the demo's Postgres runs as another user when started by root
const envFile = path.join(folder, 'demo.env');
const log = [];
// Nothing of the caller's own settings may reach this demo.
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_') && name !== 'DATABASE_URL'));
const demo = spawn(program, ['demo', '--addr', `127.0.0.1:${await freePort()}`, '--data', path.join(folder, 'data'), '--env-file', envFile], { stdio: ['ignore', 'pipe', 'pipe'], env: clean });
for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (part) => log.push(part));
const ended = new Promise((resolve) => demo.on('exit', (code, signal) => resolve(code ?? signal)));

async function stop() {
  demo.kill('SIGTERM');
  const timer = setTimeout(() => demo.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
  rmSync(folder, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop().then(() => process.exit(1)));

let status = 1;
try {
  let over = false;
  ended.then(() => { over = true; });
  for (const end = Date.now() + 120_000; !existsSync(envFile); ) {
    if (over) throw new Error('the demo ended before it was ready');
    if (Date.now() > end) throw new Error('the demo was not ready within two minutes');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const found = Object.fromEntries(readFileSync(envFile, 'utf8').split('\n').filter((line) => line.includes('=')).map((line) => {
    const cut = line.indexOf('=');
    return [line.slice(0, cut), line.slice(cut + 1)];
  }));
  const suite = spawn(process.execPath, ['--test', '--test-reporter=spec', '--test-concurrency=1', path.join(here, 'suite.test.mjs'), path.join(here, 'popup.test.mjs')], { cwd: here, stdio: 'inherit', env: { ...clean, ...found } });
  status = await new Promise((resolve) => suite.on('exit', (code) => resolve(code ?? 1)));
} catch (error) {
  console.error(error.message);
} finally {
  if (status !== 0) {
    const text = Buffer.concat(log).toString();
    console.error(`--- what the demo wrote, its last lines ---\n${text.split('\n').filter((line) => !/POSTERN_|\/signin|\/connect\/|password|level=INFO msg=request /.test(line)).slice(-40).join('\n')}`);
  }
  await stop();
}
process.exit(status);
