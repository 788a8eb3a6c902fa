// Just enough of the DevTools protocol to drive Chromium over a pipe: no port, no library.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const program = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => p && existsSync(p));

export class Chromium {
  #next = 0;
  #waiting = new Map();
  #pages = []; // ids of pages, in the order in which they were opened

  constructor() {
    this.profile = mkdtempSync(path.join(tmpdir(), 'postern-chromium-'));
    const flags = ['--headless=new', '--remote-debugging-pipe', '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage', '--disable-popup-blocking', `--user-data-dir=${this.profile}`];
    if (process.getuid?.() === 0) flags.push('--no-sandbox'); // it refuses to be started by root otherwise
    this.process = spawn(program, [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let rest = '';
    this.process.stdio[4].on('data', (part) => {
      const messages = (rest + part).split('\0');
      rest = messages.pop();
      for (const text of messages) this.#take(JSON.parse(text));
    });
  }

  #take(message) {
    if (message.method === 'Target.targetCreated' && message.params.targetInfo.type === 'page') this.#pages.push(message.params.targetInfo.targetId);
    const { resolve, reject } = this.#waiting.get(message.id) ?? {};
    this.#waiting.delete(message.id);
    if (message.error) reject?.(new Error(`${message.error.message}`));
    else resolve?.(message.result);
  }

  send(method, params = {}, sessionId) {
    const id = ++this.#next;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${method} was not answered`)), 60_000);
      this.#waiting.set(id, { resolve: (v) => { clearTimeout(late); resolve(v); }, reject: (e) => { clearTimeout(late); reject(e); } });
    });
  }

  async start() {
    await this.send('Target.setDiscoverTargets', { discover: true });
    return this.page(0);
  }

  // page waits for the nth page that was opened.
  async page(n) {
    await until(async () => this.#pages.length > n, `page ${n + 1}`);
    const { sessionId } = await this.send('Target.attachToTarget', { targetId: this.#pages[n], flatten: true });
    return new Page(this, sessionId);
  }

  async stop() {
    const gone = new Promise((resolve) => this.process.on('exit', resolve));
    const late = setTimeout(() => this.process.kill('SIGKILL'), 60_000);
    this.send('Browser.close').catch(() => {});
    await gone;
    clearTimeout(late);
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
  }

  goto(url) {
    return this.browser.send('Page.navigate', { url }, this.session);
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.browser.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: true }, this.session);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  // until waits for an expression to be true; a page that is being left cannot answer, which counts as not yet.
  until(expression, what) {
    return until(() => this.evaluate(expression).catch(() => false), `${what ?? expression}`);
  }

  async click(test) {
    await this.until(`!!document.querySelector('[data-testid="${test}"]')`, `a button ${test}`).catch(async (error) => {
      throw new Error(`${error.message}; the page says: ${await this.evaluate('document.body.innerText.slice(0, 400)').catch((e) => e.message)}`);
    });
    await this.evaluate(`void setTimeout(() => document.querySelector('[data-testid="${test}"]').click())`);
  }

  async type(test, text) {
    await this.until(`!!document.querySelector('[data-testid="${test}"]')`, `a field ${test}`);
    await this.evaluate(`document.querySelector('[data-testid="${test}"]').value = ${JSON.stringify(text)}`);
  }
}

async function until(fits, what, seconds = 20) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    if (await fits()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${seconds} seconds for ${what}`);
}
