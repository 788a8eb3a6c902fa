// What a program listens with: the loopback address a consent returns to, and a webhook receiver.
import http from 'node:http';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';

// listen waits for a port that another program is about to leave: the callback URI has a fixed one.
async function listen(server, port, host) {
  for (const end = Date.now() + 60_000; ; ) {
    try {
      server.listen(port, host);
      await once(server, 'listening');
      return server.address().port;
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

// callbackServer waits at the callback URI; arrival visits an address there, as the browser would, and gives its query.
export async function callbackServer(uri) {
  const at = new URL(uri);
  const waiting = [];
  const server = http.createServer((request, answer) => {
    const url = new URL(request.url, uri);
    answer.end('You can close this window.');
    if (url.pathname === at.pathname) waiting.shift()?.(url.searchParams);
  });
  await listen(server, Number(at.port), at.hostname);
  return {
    async arrival(url) {
      const told = new Promise((resolve) => waiting.push(resolve));
      await fetch(url);
      return told;
    },
    close: () => server.close(),
  };
}

export const signatureOf = (secret, body) => createHmac('sha256', secret).update(body).digest('hex');

export const same = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

// Receiver answers challenges as the SDK reads them, keeps the raw bytes of what is delivered, and answers 200.
export class Receiver {
  challenges = 0;
  deliveries = [];
  answerChallenges = true;
  #server;

  async start(extract) {
    this.#server = http.createServer((request, answer) => {
      if (request.method === 'GET') {
        this.challenges++;
        const value = this.answerChallenges ? extract(`http://receiver${request.url}`) : 'something else';
        answer.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(value) });
        answer.end(value);
        return;
      }
      const parts = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        const raw = Buffer.concat(parts);
        const packed = request.headers['content-encoding'] === 'gzip';
        this.deliveries.push({ headers: request.headers, raw, signature: request.headers['x-nylas-signature'] ?? '', event: JSON.parse(packed ? gunzipSync(raw) : raw) });
        answer.end();
      });
    });
    this.port = await listen(this.#server, 0, '127.0.0.1');
    this.url = `http://127.0.0.1:${this.port}/events`;
  }

  // event waits for a delivery that fits.
  async event(fits, seconds = 30) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
      const found = this.deliveries.find(fits);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no such event within ${seconds} seconds; there were: ${this.deliveries.map((d) => d.event.type).join(', ') || 'none'}`);
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
