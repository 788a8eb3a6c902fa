// A browser of the plainest kind: it follows redirects, keeps cookies and posts forms. It runs no script, which the pages must do without.
import http from 'node:http';

export class Browser {
  #cookies = new Map(); // host -> name -> value; a browser's cookies know no ports either
  visited = [];

  // open follows redirects until a page answers, or until an address begins with stop: that one is given back unvisited.
  async open(url, { stop = '', form } = {}) {
    let method = form ? 'POST' : 'GET';
    let body = form ? new URLSearchParams(form).toString() : '';
    for (let hops = 0; hops < 15; hops++) {
      if (stop && url.startsWith(stop)) return { url, left: true };
      this.visited.push(`${method} ${new URL(url).pathname}`);
      const answer = await this.#send(method, url, body);
      if (answer.status >= 300 && answer.status < 400 && answer.headers.location) {
        url = new URL(answer.headers.location, url).toString();
        method = 'GET';
        body = '';
        continue;
      }
      return { url, status: answer.status, html: answer.text, left: false };
    }
    throw new Error(`too many redirects, at ${new URL(url).pathname}`);
  }

  #send(method, url, body) {
    const at = new URL(url);
    const jar = this.#cookies.get(at.hostname) ?? new Map();
    const headers = { accept: 'text/html', 'user-agent': 'plain browser' };
    if (jar.size) headers.cookie = [...jar].map(([k, v]) => `${k}=${v}`).join('; ');
    if (method === 'POST') {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
      headers.origin = at.origin;
      headers['sec-fetch-site'] = 'same-origin';
    }
    return new Promise((resolve, reject) => {
      const request = http.request(url, { method, headers }, (answer) => {
        for (const line of answer.headers['set-cookie'] ?? []) {
          const [pair] = line.split(';');
          const cut = pair.indexOf('=');
          jar.set(pair.slice(0, cut), pair.slice(cut + 1));
        }
        this.#cookies.set(at.hostname, jar);
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

const unescape = (text) => text.replace(/&(#x?[0-9a-f]+|\w+);/gi, (whole, name) => {
  const known = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  if (known[name]) return known[name];
  if (name[0] !== '#') return whole;
  return String.fromCodePoint(name[1].toLowerCase() === 'x' ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10));
});

const attribute = (tag, name) => {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag);
  return found ? unescape(found[1]) : undefined;
};

// forms reads the forms of a page: where each goes, what it would send untouched, and its buttons.
export function forms(page) {
  return [...page.html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head, inside]) => {
    const fields = [];
    for (const [tag] of inside.matchAll(/<input\b[^>]*>/g)) {
      const name = attribute(tag, 'name');
      const type = attribute(tag, 'type') ?? 'text';
      if (!name || /\sdisabled\b/.test(tag)) continue;
      if ((type === 'checkbox' || type === 'radio') && !/\schecked\b/.test(tag)) continue;
      fields.push([name, attribute(tag, 'value') ?? '']);
    }
    const buttons = [...inside.matchAll(/<button\b[^>]*>/g)].map(([tag]) => ({ test: attribute(tag, 'data-testid'), name: attribute(tag, 'name'), value: attribute(tag, 'value') ?? '' }));
    return { action: new URL(attribute(` ${head}`, 'action') ?? '', page.url).toString(), fields, buttons };
  });
}

// press finds the button with the test id and gives what pressing it would send, with some fields filled in.
export function press(page, button, filled = {}) {
  for (const form of forms(page)) {
    const pressed = form.buttons.find((b) => b.test === button);
    if (!pressed) continue;
    const fields = form.fields.map(([name, value]) => [name, name in filled ? filled[name] : value]);
    if (pressed.name !== undefined) fields.push([pressed.name, pressed.value]);
    return { action: form.action, form: fields };
  }
  throw new Error(`no button ${button} on ${new URL(page.url).pathname} (${page.status}): ${page.html.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').slice(0, 600)}`);
}

// consent walks the hosted page and the sandbox's own pages as one person, and gives the address at which the program is told.
export async function consent(authURL, { user, password, callback, answer = 'allow', untick = [] }) {
  const browser = new Browser();
  let page = await browser.open(authURL, { stop: callback });
  if (page.left) return { url: page.url, browser };
  const begin = press(page, page.html.includes('data-testid="provider-sandbox"') ? 'provider-sandbox' : 'continue');
  page = await browser.open(begin.action, { form: begin.form, stop: callback });
  const signin = press(page, 'sandbox-signin', { address: user, password });
  page = await browser.open(signin.action, { form: signin.form, stop: callback });
  const choice = press(page, `sandbox-${answer}`);
  choice.form = choice.form.filter(([name, value]) => !(name === 'scope' && untick.includes(value)));
  page = await browser.open(choice.action, { form: choice.form, stop: callback });
  if (!page.left && page.html.includes('data-testid="continue-without"')) {
    const goOn = press(page, 'continue-without');
    page = await browser.open(goOn.action, { form: goOn.form, stop: callback });
  }
  if (!page.left) throw new Error(`the consent ended at ${new URL(page.url).pathname} (${page.status}): ${page.html.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ').slice(0, 600)}`);
  return { url: page.url, browser };
}
