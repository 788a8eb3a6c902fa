// The upstream browser SDK, unchanged, in a real browser: it opens the hosted consent in a popup, is told of its end by the popup's message,
// exchanges the code with PKCE and no secret, and asks what its token is, all across origins.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';
import Nylas from 'nylas';
import { Chromium, program } from './chromium.mjs';

const { POSTERN_URL: url, POSTERN_CLIENT_ID: clientId, POSTERN_API_KEY: apiKey, POSTERN_SANDBOX_USERS: users, POSTERN_SANDBOX_PASSWORD: password } = process.env;
const nylas = new Nylas({ apiKey, apiUri: url });
const user = users.split(',')[2];

// app is a program's own page: one script for both its addresses, as the SDK's guide has it.
async function app() {
  const sdk = readFileSync(new URL('./node_modules/@nylas/connect/dist/index.js', import.meta.url));
  const server = http.createServer((request, answer) => {
    const path = request.url.split('?')[0];
    if (path === '/sdk.js') return answer.writeHead(200, { 'content-type': 'text/javascript' }).end(sdk);
    answer.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>A program</title><script type="module">
      import { NylasConnect } from '/sdk.js';
      window.sdk = new NylasConnect({ clientId: ${JSON.stringify(clientId)}, redirectUri: location.origin + '/callback', apiUrl: ${JSON.stringify(url)} });
      if (location.pathname === '/callback') window.sdk.callback();
      window.begin = () => window.sdk.connect({ method: 'popup', provider: 'sandbox' }).then((r) => { window.outcome = r; }, (e) => { window.outcome = { failed: e.name + ': ' + e.message }; });
    </script>`);
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return { origin: `http://localhost:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

test('the browser SDK connects in a popup', { skip: !program && process.env.CI !== 'true' && 'no Chromium on this machine' }, async () => {
  const page = await app();
  const registered = await nylas.applications.redirectUris.create({ requestBody: { url: `${page.origin}/callback`, platform: 'js', settings: { origin: page.origin } } });
  const browser = new Chromium();
  try {
    const main = await browser.start();
    await main.goto(page.origin);
    await main.until('!!window.begin', 'the program');
    await main.evaluate('void setTimeout(window.begin)');
    const popup = await browser.page(1);
    await popup.click('provider-sandbox');
    await popup.type('sandbox-address', user);
    await popup.type('sandbox-password', password);
    await popup.click('sandbox-signin');
    await popup.click('sandbox-allow');
    await main.until('!!window.outcome', 'the popup to tell its program');
    const outcome = await main.evaluate('window.outcome');
    assert.equal(outcome.failed, undefined);
    assert.match(outcome.grantId, /^[0-9a-f-]{36}$/);
    assert.ok(outcome.accessToken && outcome.idToken);
    assert.equal(await main.evaluate('window.sdk.getConnectionStatus()'), 'connected');
    assert.equal((await nylas.grants.find({ grantId: outcome.grantId })).data.email, user);
    await nylas.auth.revoke(outcome.accessToken);
    await nylas.grants.destroy({ grantId: outcome.grantId });
  } finally {
    await browser.stop();
    page.close();
    await nylas.applications.redirectUris.destroy({ redirectUriId: registered.data.id });
  }
});
