// The upstream SDK, unchanged, against a running demo: only apiUri and key are ours. What it answers is asserted, and what it put on the wire.
// The demo's client file gives POSTERN_*; run.mjs starts a demo and fills them in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { consent } from './browser.mjs';
import { callbackServer, Receiver, same, signatureOf } from './listeners.mjs';

const env = Object.fromEntries(['POSTERN_URL', 'POSTERN_CLIENT_ID', 'POSTERN_API_KEY', 'POSTERN_CALLBACK_URI', 'POSTERN_TENANT_ID', 'POSTERN_SANDBOX_USERS', 'POSTERN_SANDBOX_PASSWORD'].map((name) => {
  if (!process.env[name]) throw new Error(`${name} is not set: run "npm test", or give the demo's client file`);
  return [name, process.env[name]];
}));
const [user, otherUser] = env.POSTERN_SANDBOX_USERS.split(',');
const callback = env.POSTERN_CALLBACK_URI;

// Every request that the SDK makes goes through fetch; it is noted before it leaves.
const wire = [];
const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = input instanceof Request ? input : new Request(input, init);
  const note = { method: request.method, url: new URL(request.url), headers: Object.fromEntries(request.headers), body: request.body ? await request.clone().text() : '' };
  wire.push(note);
  const answer = await realFetch(request, init);
  note.status = answer.status;
  note.requestId = answer.headers.get('x-request-id');
  return answer;
};
const last = () => wire.at(-1);
const sent = (method, path) => {
  assert.equal(`${last().method} ${last().url.pathname}`, `${method} ${path}`);
  return last();
};

const { default: Nylas } = await import('nylas');
const nylas = new Nylas({ apiKey: env.POSTERN_API_KEY, apiUri: env.POSTERN_URL });

// Every method of the resources that are served is to be called below: they are counted on the SDK's own classes. What stands here is not served, or is a helper of another method.
const resources = { applications: nylas.applications, redirectUris: nylas.applications.redirectUris, auth: nylas.auth, grants: nylas.grants, connectors: nylas.connectors, credentials: nylas.connectors.credentials, webhooks: nylas.webhooks,
  messages: nylas.messages, drafts: nylas.drafts, threads: nylas.threads, folders: nylas.folders, attachments: nylas.attachments };
const uncalled = new Set();
for (const [name, resource] of Object.entries(resources)) {
  const own = Object.getPrototypeOf(resource);
  for (const method of Object.getOwnPropertyNames(own).filter((m) => m !== 'constructor')) {
    const original = own[method];
    uncalled.add(`${name}.${method}`);
    own[method] = function counted(...args) {
      uncalled.delete(`${name}.${method}`);
      return original.apply(this, args);
    };
  }
}
const notServed = ['attachments.createUploadSession', 'attachments.completeUploadSession', 'auth.urlForAdminConsent'];

const withToken = (token) => new Nylas({ apiKey: token, apiUri: env.POSTERN_URL });

const receiver = new Receiver();
let program;
before(async () => {
  program = await callbackServer(callback);
  await receiver.start((url) => nylas.webhooks.extractChallengeParameter(url));
});
after(() => {
  program.close();
  receiver.close();
});

// fails expects an API error of the SDK's own class and gives it.
async function fails(promise, status, type) {
  const error = await promise.then(() => assert.fail(`no error; ${status} ${type} was expected`), (e) => e);
  assert.equal(error.constructor.name, 'NylasApiError', error.message);
  assert.equal(error.statusCode, status, error.message);
  assert.equal(error.type, type, error.message);
  assert.ok(error.message.length > 10);
  assert.equal(error.requestId, last().requestId);
  assert.match(error.requestId, /^[0-9a-f-]{36}$/);
  return error;
}

async function failsOAuth(promise, word) {
  const error = await promise.then(() => assert.fail(`no error; ${word} was expected`), (e) => e);
  assert.equal(error.constructor.name, 'NylasOAuthError', error.message);
  assert.equal(error.error, word);
  assert.equal(error.statusCode, 400);
  assert.equal(error.errorCode, 400);
  assert.ok(error.errorDescription.length > 10);
  assert.match(error.errorUri, /^https:/);
  assert.equal(error.requestId, last().requestId);
  return error;
}

// connect walks a whole consent and gives what the code was exchanged for.
let states = 0;
async function connect(as, more = {}, walk = {}) {
  const state = `state ${++states} & more`;
  const auth = nylas.auth.urlForOAuth2PKCE({ clientId: env.POSTERN_CLIENT_ID, redirectUri: callback, provider: 'sandbox', accessType: 'offline', state, loginHint: as, ...more });
  const { url } = await consent(auth.url, { user: as, password: env.POSTERN_SANDBOX_PASSWORD, callback, ...walk });
  const told = await program.arrival(url);
  assert.equal(told.get('state'), state);
  if (told.get('error')) return { told };
  const exchange = { clientId: env.POSTERN_CLIENT_ID, redirectUri: callback, code: told.get('code'), codeVerifier: auth.secret };
  return { told, exchange, auth, tokens: await nylas.auth.exchangeCodeForToken({ ...exchange }) };
}

let mailbox; // of the first consent

test('application', async () => {
  const { data, requestId } = await nylas.applications.getDetails();
  sent('GET', '/v3/applications');
  assert.equal(last().headers.authorization, `Bearer ${env.POSTERN_API_KEY}`);
  assert.equal(requestId, last().requestId);
  assert.equal(data.applicationId, env.POSTERN_CLIENT_ID);
  assert.match(data.organizationId, /^[0-9a-f-]{36}$/);
  assert.match(data.region, /^(us|eu)$/);
  assert.ok(data.branding.name);
  assert.ok(data.environment);
  assert.ok(data.callbackUris.some((c) => c.url === callback && c.platform === 'web'));
});

test('changing the application', async () => {
  const before = (await nylas.applications.getDetails()).data;
  const { data } = await nylas.applications.update({ requestBody: { branding: { ...before.branding, description: 'Reads orders.' } } });
  sent('PATCH', '/v3/applications');
  assert.deepEqual([data.branding.description, data.branding.name], ['Reads orders.', before.branding.name]);
  await nylas.applications.update({ requestBody: { branding: before.branding } });
});

test('a mailbox whose password a program has', async () => {
  await fails(nylas.auth.customAuthentication({ requestBody: { provider: 'imap', settings: { imapUsername: 'ada@nowhere.invalid', imapPassword: 'x' } } }), 400, 'api.invalid_request_error');
  assert.deepEqual(JSON.parse(sent('POST', '/v3/connect/custom').body), { provider: 'imap', settings: { imap_username: 'ada@nowhere.invalid', imap_password: 'x' } });
});

test('webhook before anything happens', async () => {
  const { data } = await nylas.webhooks.create({ requestBody: { triggerTypes: ['grant.created', 'grant.updated', 'grant.deleted', 'grant.expired'], webhookUrl: receiver.url, description: 'client test',
    notificationEmailAddresses: ['ops@example.com'] } });
  const note = sent('POST', '/v3/webhooks');
  assert.deepEqual(JSON.parse(note.body), { trigger_types: ['grant.created', 'grant.updated', 'grant.deleted', 'grant.expired'], webhook_url: receiver.url, description: 'client test', notification_email_addresses: ['ops@example.com'] });
  assert.equal(receiver.challenges, 1);
  assert.equal(data.status, 'active');
  assert.ok(data.webhookSecret.length >= 20);
  for (const field of ['createdAt', 'updatedAt', 'statusUpdatedAt']) assert.equal(typeof data[field], 'number', field);
  receiver.webhook = data;
  receiver.secret = data.webhookSecret;
});

test('consent, exchange and the event that follows', async () => {
  const { exchange, auth, tokens } = await connect(user);
  assert.equal(new URL(auth.url).searchParams.get('code_challenge_method'), 's256');
  const note = sent('POST', '/v3/connect/token');
  assert.equal(note.headers['content-type'], 'application/json');
  assert.equal(JSON.parse(note.body).client_secret, env.POSTERN_API_KEY);
  assert.equal(tokens.expiresIn, 3600);
  assert.equal(tokens.tokenType, 'Bearer');
  assert.equal(tokens.email, user);
  assert.equal(tokens.provider, 'sandbox');
  assert.ok(tokens.accessToken && tokens.refreshToken && tokens.scope);
  assert.match(tokens.grantId, /^[0-9a-f-]{36}$/);
  const claims = JSON.parse(Buffer.from(tokens.idToken.split('.')[1], 'base64url'));
  assert.equal(claims.email, user);
  mailbox = { ...tokens, exchange };

  const delivery = await receiver.event((d) => d.event.type === 'grant.created' && d.event.data.object.grant_id === tokens.grantId);
  assert.match(delivery.signature, /^[0-9a-f]{64}$/);
  assert.ok(same(delivery.signature, signatureOf(receiver.secret, delivery.raw)), 'the signature covers the raw bytes');
  assert.ok(!same(delivery.signature, signatureOf(receiver.secret, Buffer.concat([delivery.raw, Buffer.from(' ')]))));
  assert.equal(delivery.event.specversion, '1.0');
  assert.equal(delivery.event.data.application_id, env.POSTERN_CLIENT_ID);
  assert.equal(delivery.event.data.object.code, 25012);
  assert.equal(delivery.event.data.object.email, user);
});

test('tokeninfo', async () => {
  for (const [ask, token] of [['accessTokenInfo', mailbox.accessToken], ['idTokenInfo', mailbox.idToken]]) {
    const { data } = await nylas.auth[ask](token);
    sent('GET', '/v3/connect/tokeninfo');
    assert.equal(data.email, user, ask);
    assert.equal(data.aud, env.POSTERN_CLIENT_ID);
    assert.ok(data.iss && data.sub);
    assert.ok(data.exp > data.iat);
  }
});

test('grants', async () => {
  const { data } = await nylas.grants.list({ queryParams: { limit: 50, email: user } });
  assert.equal(sent('GET', '/v3/grants').url.searchParams.get('limit'), '50');
  assert.equal(data.length, 1);
  const found = await nylas.grants.find({ grantId: mailbox.grantId });
  sent('GET', `/v3/grants/${mailbox.grantId}`);
  for (const grant of [data[0], found.data]) {
    assert.equal(grant.id, mailbox.grantId);
    assert.equal(grant.provider, 'sandbox');
    assert.equal(grant.grantStatus, 'valid');
    assert.equal(grant.email, user);
    assert.ok(Array.isArray(grant.scope) && grant.scope.length > 0);
    assert.equal(typeof grant.createdAt, 'number');
    assert.equal(grant.workspaceId, env.POSTERN_TENANT_ID);
    assert.equal(grant.state, 'state 1 & more');
  }
  const byAddress = await nylas.grants.find({ grantId: user });
  assert.equal(last().url.pathname, `/v3/grants/${encodeURIComponent(user)}`);
  assert.equal(byAddress.data.id, mailbox.grantId);
  const me = await withToken(mailbox.accessToken).grants.find({ grantId: 'me' });
  assert.equal(me.data.id, mailbox.grantId);
  await fails(nylas.grants.find({ grantId: 'me' }), 401, 'api.authentication_error');
  await fails(nylas.grants.find({ grantId: '01234567-89ab-7cde-8f01-23456789abcd' }), 404, 'api.not_found_error');
  await fails(withToken(mailbox.accessToken).grants.list(), 403, 'insufficient_scopes');
  await fails(nylas.grants.list({ queryParams: { limit: 100000 } }), 400, 'api.invalid_request_error');
  const updated = await nylas.grants.update({ grantId: mailbox.grantId, requestBody: { settings: { label: 'sales' } } });
  sent('PATCH', `/v3/grants/${mailbox.grantId}`);
  assert.equal(updated.data.settings.label, 'sales');
});

test('messages', async () => {
  const list = await nylas.messages.list({ identifier: mailbox.grantId, queryParams: { limit: 5 } });
  assert.ok(wire.some((note) => note.url.pathname === `/v3/grants/${mailbox.grantId}/messages` && note.url.searchParams.get('limit') === '5'));
  assert.equal(list.data.length, 5);
  for (const message of list.data) {
    assert.equal(message.object, 'message');
    assert.equal(message.grantId, mailbox.grantId);
    assert.ok(message.id && message.subject !== undefined && message.from.length > 0 && typeof message.date === 'number');
  }
  assert.ok(list.data.every((message, i) => i === 0 || list.data[i - 1].date >= message.date), 'newest first');
  const one = await nylas.messages.find({ identifier: mailbox.grantId, messageId: list.data[0].id });
  assert.equal(one.data.id, list.data[0].id);
  assert.ok(one.data.body.length > 0);
  const mine = await withToken(mailbox.accessToken).messages.find({ identifier: 'me', messageId: list.data[0].id, queryParams: { fields: 'include_headers' } });
  assert.ok(mine.data.headers.some((h) => h.name.toLowerCase() === 'message-id'));
  const byAddress = await nylas.messages.list({ identifier: user, queryParams: { limit: 1 } });
  assert.equal(byAddress.data[0].id, list.data[0].id);

  // Page by page: nothing twice, nothing missing, and an end.
  const seen = new Set();
  for await (const page of nylas.messages.list({ identifier: mailbox.grantId })) for (const message of page.data) {
    assert.ok(!seen.has(message.id), 'a message came twice');
    seen.add(message.id);
  }
  assert.ok(seen.size >= 5);
  const few = await nylas.messages.list({ identifier: mailbox.grantId, queryParams: { limit: 2 } });
  const rest = await nylas.messages.list({ identifier: mailbox.grantId, queryParams: { limit: 2, pageToken: few.nextCursor } });
  assert.ok(rest.data.every((message) => few.data.every((before) => before.id !== message.id)));
  const from = one.data.from[0].email;
  const filtered = await nylas.messages.list({ identifier: mailbox.grantId, queryParams: { anyEmail: [from], limit: 200 } });
  assert.ok(filtered.data.some((message) => message.id === one.data.id));
  const unread = await nylas.messages.list({ identifier: mailbox.grantId, queryParams: { unread: true, limit: 200 } });
  assert.ok(unread.data.every((message) => message.unread === true));
  const raw = await nylas.messages.find({ identifier: mailbox.grantId, messageId: one.data.id, queryParams: { fields: 'raw_mime' } });
  assert.match(Buffer.from(raw.data.rawMime, 'base64url').toString(), /^Subject:/im);

  await fails(nylas.messages.find({ identifier: mailbox.grantId, messageId: '<m/1#>' }), 404, 'api.not_found_error');
  assert.ok(last().url.pathname.endsWith('/messages/%3Cm%2F1%23%3E'));
  await fails(nylas.messages.list({ identifier: mailbox.grantId, queryParams: { pageToken: 'broken' } }), 400, 'api.invalid_request_error');
  await fails(nylas.messages.list({ identifier: '01234567-89ab-7cde-8f01-23456789abcd' }), 404, 'api.not_found_error');
});

const everything = ['identity', 'mail.read', 'mail.modify', 'mail.send', 'mail.drafts', 'mail.folders'];

test('changing, moving and deleting messages', async () => {
  await fails(nylas.messages.update({ identifier: mailbox.grantId, messageId: 'x', requestBody: { starred: true } }), 403, 'insufficient_scopes');
  const { tokens } = await connect(user, { scope: everything });
  assert.equal(tokens.grantId, mailbox.grantId, 'a wider consent is the same grant');
  const identifier = mailbox.grantId;
  const [message] = (await nylas.messages.list({ identifier, queryParams: { limit: 1 } })).data;
  const starred = await nylas.messages.update({ identifier, messageId: message.id, requestBody: { starred: true, unread: true } });
  assert.deepEqual(JSON.parse(sent('PUT', `/v3/grants/${identifier}/messages/${message.id}`).body), { starred: true, unread: true });
  assert.deepEqual([starred.data.starred, starred.data.unread, starred.data.id], [true, true, message.id]);
  const folders = await nylas.folders.list({ identifier });
  sent('GET', `/v3/grants/${identifier}/folders`);
  for (const folder of folders.data) {
    assert.equal(folder.object, 'folder');
    assert.equal(folder.grantId, identifier);
    assert.ok(folder.id && folder.name && Array.isArray(folder.attributes) && typeof folder.unreadCount === 'number');
  }
  const folderOf = (use) => folders.data.find((folder) => folder.attributes.includes(use));
  assert.equal(folders.data[0].id, folderOf('\\Inbox').id);
  const archive = folderOf('\\Archive') ?? folderOf('\\Sent');
  assert.equal((await nylas.folders.find({ identifier, folderId: archive.id })).data.name, archive.name);
  const moved = await nylas.messages.update({ identifier, messageId: message.id, requestBody: { folders: [archive.id] } });
  assert.deepEqual(moved.data.folders, [archive.id]);
  await fails(nylas.messages.update({ identifier, messageId: moved.data.id, requestBody: { folders: ['no such folder'] } }), 400, 'api.invalid_request_error');
  const gone = await nylas.messages.destroy({ identifier, messageId: moved.data.id });
  sent('DELETE', `/v3/grants/${identifier}/messages/${moved.data.id}`);
  assert.match(gone.requestId, /^[0-9a-f-]{36}$/);
  await fails(nylas.messages.destroy({ identifier, messageId: moved.data.id }), 404, 'api.not_found_error');
  const trash = await nylas.messages.list({ identifier, queryParams: { in: [folderOf('\\Trash').id], limit: 5 } });
  assert.ok(trash.data.some((found) => found.subject === message.subject));
});

test('sending, with files that arrive as they left', async () => {
  const identifier = mailbox.grantId;
  const { tokens } = await connect(otherUser, { scope: everything });
  const there = tokens.grantId;
  const arrived = async (subject) => {
    for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
      const [found] = (await nylas.messages.list({ identifier: there, queryParams: { subject, limit: 1 } })).data;
      if (found) return found;
    }
    return assert.fail(`"${subject}" did not arrive`);
  };
  const bytesOf = async (message, attachment) => Buffer.from(await nylas.attachments.downloadBytes({ identifier: there, attachmentId: attachment.id, queryParams: { messageId: message.id } }));

  const small = Buffer.from('a small file: \u00fc\u0000\u00ff');
  const first = await nylas.messages.send({ identifier, requestBody: { to: [{ email: otherUser, name: 'Other' }], subject: 'With a small file', body: '<p>Hello</p>', customHeaders: [{ name: 'X-Campaign', value: 'seven' }],
    attachments: [{ filename: 'small.bin', contentType: 'application/octet-stream', content: small.toString('base64'), size: small.length }] } });
  assert.match(sent('POST', `/v3/grants/${identifier}/messages/send`).headers['content-type'], /^application\/json/);
  assert.equal(first.data.object, 'message');
  assert.equal(first.data.grantId, identifier);
  assert.equal((await nylas.messages.find({ identifier, messageId: first.data.id })).data.subject, 'With a small file');
  const small2 = await arrived('With a small file');
  assert.equal(small2.from[0].email, user);
  assert.equal(small2.attachments[0].filename, 'small.bin');
  const about = await nylas.attachments.find({ identifier: there, attachmentId: small2.attachments[0].id, queryParams: { messageId: small2.id } });
  assert.deepEqual([about.data.filename, about.data.contentType, about.data.grantId], ['small.bin', 'application/octet-stream', there]);
  assert.ok((await bytesOf(small2, small2.attachments[0])).equals(small));

  const query = { identifier: there, attachmentId: small2.attachments[0].id, queryParams: { messageId: small2.id } };
  for (const way of ['download', 'downloadNodeStream']) {
    const parts = [];
    for await (const part of await nylas.attachments[way](query)) parts.push(part);
    assert.ok(Buffer.concat(parts).equals(small), way);
  }

  const answer = await nylas.messages.send({ identifier: there, requestBody: { to: [{ email: user }], subject: 'Re: With a small file', body: 'Thank you.', isPlaintext: true, replyToMessageId: small2.id } });
  assert.equal(answer.data.threadId, first.data.threadId);

  const large = Buffer.alloc(4 << 20, 'large ');
  await nylas.messages.send({ identifier, requestBody: { to: [{ email: otherUser }], subject: 'With a large file', body: 'x', attachments: [{ filename: 'large.bin', contentType: 'application/x-large', content: large, size: large.length }] } });
  assert.match(sent('POST', `/v3/grants/${identifier}/messages/send`).headers['content-type'], /^multipart\/form-data/);
  const large2 = await arrived('With a large file');
  assert.ok((await bytesOf(large2, large2.attachments[0])).equals(large));

  const once = { identifier, requestBody: { to: [{ email: otherUser }], subject: 'Only once', body: 'x' }, overrides: { headers: { 'Idempotency-Key': `key ${Date.now()}` } } };
  const [one, two] = [await nylas.messages.send(once), await nylas.messages.send(once)];
  assert.equal(one.data.id, two.data.id);
  await arrived('Only once');
  assert.equal((await nylas.messages.list({ identifier: there, queryParams: { subject: 'Only once', limit: 5 } })).data.length, 1);
  await fails(nylas.messages.send({ ...once, requestBody: { ...once.requestBody, subject: 'Another' } }), 409, 'api.invalid_idempotent_request');

  await fails(nylas.messages.send({ identifier, requestBody: { to: [{ email: 'no address' }], subject: 'x', body: 'x' } }), 400, 'api.invalid_request_error');
  await fails(nylas.messages.send({ identifier, requestBody: { to: [{ email: otherUser }], subject: 'x\r\nBcc: eve@example.com', body: 'x' } }), 400, 'api.invalid_request_error');
  await fails(nylas.messages.send({ identifier, requestBody: { to: [{ email: otherUser }], subject: 'x', body: 'x', trackingOptions: { opens: true } } }), 400, 'api.invalid_request_error');
  await nylas.grants.destroy({ grantId: there });
});

test('folders that are made, renamed and deleted', async () => {
  const identifier = mailbox.grantId;
  const made = await nylas.folders.create({ identifier, requestBody: { name: 'Kunden & \u00dcbersee', textColor: '#000000', backgroundColor: '#ffffff' } });
  assert.deepEqual(JSON.parse(sent('POST', `/v3/grants/${identifier}/folders`).body), { name: 'Kunden & \u00dcbersee', text_color: '#000000', background_color: '#ffffff' });
  assert.deepEqual([made.data.name, made.data.object, made.data.grantId, made.data.systemFolder], ['Kunden & \u00dcbersee', 'folder', identifier, false]);
  const below = await nylas.folders.create({ identifier, requestBody: { name: 'Nord', parentId: made.data.id } });
  assert.equal(below.data.parentId, made.data.id);
  await fails(nylas.folders.create({ identifier, requestBody: { name: 'Kunden & \u00dcbersee' } }), 400, 'api.invalid_request_error');
  await fails(nylas.folders.create({ identifier, requestBody: { name: 'x', parentId: 'no such folder' } }), 400, 'api.invalid_request_error');
  const renamed = await nylas.folders.update({ identifier, folderId: below.data.id, requestBody: { name: 'S\u00fcd' } });
  assert.deepEqual([renamed.data.name, renamed.data.parentId], ['S\u00fcd', made.data.id]);
  assert.equal((await nylas.folders.find({ identifier, folderId: renamed.data.id })).data.name, 'S\u00fcd');
  await fails(nylas.folders.destroy({ identifier, folderId: made.data.id }), 400, 'api.invalid_request_error');
  for (const folderId of [renamed.data.id, made.data.id]) assert.match((await nylas.folders.destroy({ identifier, folderId })).requestId, /^[0-9a-f-]{36}$/);
  await fails(nylas.folders.find({ identifier, folderId: made.data.id }), 404, 'api.not_found_error');
  const inbox = (await nylas.folders.list({ identifier })).data.find((folder) => folder.attributes.includes('\\Inbox'));
  await fails(nylas.folders.destroy({ identifier, folderId: inbox.id }), 400, 'api.invalid_request_error');
});

test('threads', async () => {
  const identifier = mailbox.grantId;
  const page = await nylas.threads.list({ identifier, queryParams: { limit: 5 } });
  sent('GET', `/v3/grants/${identifier}/threads`);
  assert.ok(page.data.length > 0 && page.data.length <= 5);
  const ids = new Set();
  for await (const { data } of nylas.threads.list({ identifier, queryParams: { limit: 12 } })) {
    for (const thread of data) {
      assert.ok(!ids.has(thread.id), 'a thread is told twice');
      ids.add(thread.id);
      assert.deepEqual([thread.object, thread.grantId, typeof thread.unread, typeof thread.starred, typeof thread.hasDrafts], ['thread', identifier, 'boolean', 'boolean', 'boolean']);
      assert.ok(thread.messageIds.length + thread.draftIds.length > 0 && Array.isArray(thread.participants) && thread.folders.length > 0);
      assert.ok(['message', 'draft'].includes(thread.latestDraftOrMessage.object));
    }
  }
  const [first] = page.data;
  const one = await nylas.threads.find({ identifier, threadId: first.id });
  assert.deepEqual([one.data.id, one.data.messageIds, one.data.latestDraftOrMessage.id], [first.id, first.messageIds, first.latestDraftOrMessage.id]);
  const messages = await nylas.messages.list({ identifier, queryParams: { threadId: first.id } });
  assert.ok(messages.data.length > 0 && messages.data.every((message) => message.threadId === first.id));
  const person = first.latestDraftOrMessage.from[0].email;
  const found = await nylas.threads.list({ identifier, queryParams: { anyEmail: [person, 'nobody@sandbox.test'], limit: 50 } });
  assert.equal(last().url.searchParams.get('any_email'), `${person},nobody@sandbox.test`);
  assert.ok(found.data.some((thread) => thread.id === first.id));
  const marked = await nylas.threads.update({ identifier, threadId: first.id, requestBody: { starred: true, unread: true } });
  assert.deepEqual(JSON.parse(sent('PUT', `/v3/grants/${identifier}/threads/${first.id}`).body), { starred: true, unread: true });
  assert.deepEqual([marked.data.id, marked.data.starred, marked.data.unread], [first.id, true, true]);
  assert.ok((await nylas.threads.list({ identifier, queryParams: { starred: true, limit: 50 } })).data.some((thread) => thread.id === first.id));
  await fails(nylas.threads.update({ identifier, threadId: first.id, requestBody: { folders: ['no such folder'] } }), 400, 'api.invalid_request_error');
  const gone = await nylas.threads.destroy({ identifier, threadId: first.id });
  assert.match(gone.requestId, /^[0-9a-f-]{36}$/);
  assert.ok(!(await nylas.threads.list({ identifier, queryParams: { limit: 50 } })).data.some((thread) => thread.id === first.id));
  await fails(nylas.threads.find({ identifier, threadId: 'no such thread' }), 404, 'api.not_found_error');
});

test('drafts', async () => {
  const identifier = mailbox.grantId;
  const before = (await nylas.drafts.list({ identifier })).data.length;
  const small = Buffer.from('a small file');
  const made = await nylas.drafts.create({ identifier, requestBody: { to: [{ email: otherUser, name: 'Other' }], bcc: [{ email: user }], subject: 'Written with care', body: '<p>Soon</p>', starred: true,
    attachments: [{ filename: 'small.txt', contentType: 'text/plain', content: small.toString('base64'), size: small.length }] } });
  assert.match(sent('POST', `/v3/grants/${identifier}/drafts`).headers['content-type'], /^application\/json/);
  const draftId = made.data.id;
  assert.deepEqual([made.data.object, made.data.grantId, made.data.subject, made.data.starred, made.data.bcc[0].email], ['draft', identifier, 'Written with care', true, user]);
  const changed = await nylas.drafts.update({ identifier, draftId, requestBody: { subject: 'Written with more care' } });
  assert.deepEqual([changed.data.id, changed.data.subject, changed.data.to[0].email, changed.data.attachments[0].filename], [draftId, 'Written with more care', otherUser, 'small.txt']);
  const found = await nylas.drafts.find({ identifier, draftId });
  assert.deepEqual([found.data.id, found.data.subject, found.data.object], [draftId, 'Written with more care', 'draft']);
  assert.ok(found.data.body.includes('Soon'));
  const bytes = await nylas.attachments.downloadBytes({ identifier, attachmentId: found.data.attachments[0].id, queryParams: { messageId: draftId } });
  assert.equal(Buffer.compare(Buffer.from(bytes), small), 0);
  const list = await nylas.drafts.list({ identifier, queryParams: { subject: 'more care', limit: 5 } });
  assert.deepEqual(list.data.map((draft) => draft.id), [draftId]);

  const large = Buffer.alloc(3.5 * 1024 * 1024, 'abc');
  const withFile = await nylas.drafts.update({ identifier, draftId, requestBody: { subject: 'With a large file', attachments: [{ filename: 'large.bin', contentType: 'application/octet-stream', content: large, size: large.length }] } });
  assert.match(sent('PUT', `/v3/grants/${identifier}/drafts/${draftId}`).headers['content-type'], /^multipart\/form-data/);
  assert.deepEqual([withFile.data.id, withFile.data.subject, withFile.data.attachments.map((a) => a.filename)], [draftId, 'With a large file', ['large.bin']]);

  const left = await nylas.drafts.send({ identifier, draftId });
  assert.deepEqual(JSON.parse(sent('POST', `/v3/grants/${identifier}/drafts/${draftId}`).body), {});
  assert.deepEqual([left.data.object, left.data.subject], ['message', 'With a large file']);
  await fails(nylas.drafts.send({ identifier, draftId }), 404, 'api.not_found_error');
  assert.equal((await nylas.drafts.list({ identifier })).data.length, before);

  const other = await nylas.drafts.create({ identifier, requestBody: { subject: 'To nobody yet' } });
  await fails(nylas.drafts.send({ identifier, draftId: other.data.id }), 400, 'api.invalid_request_error');
  assert.match((await nylas.drafts.destroy({ identifier, draftId: other.data.id })).requestId, /^[0-9a-f-]{36}$/);
  await fails(nylas.drafts.find({ identifier, draftId: other.data.id }), 404, 'api.not_found_error');
  await fails(nylas.drafts.create({ identifier, requestBody: { subject: 'two\r\nlines' } }), 400, 'api.invalid_request_error');
});

test('scheduled messages', async () => {
  const identifier = mailbox.grantId;
  const sendAt = Math.floor(Date.now() / 1000) + 3600;
  const later = await nylas.messages.send({ identifier, requestBody: { to: [{ email: otherUser }], subject: 'In an hour', body: 'x', sendAt } });
  assert.equal(JSON.parse(sent('POST', `/v3/grants/${identifier}/messages/send`).body).send_at, sendAt);
  assert.equal(last().status, 202);
  const { scheduleId } = later.data;
  assert.ok(scheduleId && typeof later.data.date === 'number');
  assert.equal(later.data.sendAt, sendAt);
  const list = await nylas.messages.listScheduledMessages({ identifier });
  sent('GET', `/v3/grants/${identifier}/messages/schedules`);
  assert.deepEqual(list.data.filter((s) => s.scheduleId === scheduleId).map((s) => s.status.code), ['pending']);
  const one = await nylas.messages.findScheduledMessage({ identifier, scheduleId });
  sent('GET', `/v3/grants/${identifier}/messages/schedules/${scheduleId}`);
  assert.deepEqual([one.data.scheduleId, one.data.status.code, typeof one.data.status.description, one.data.closeTime], [scheduleId, 'pending', 'string', undefined]);
  const stopped = await nylas.messages.stopScheduledMessage({ identifier, scheduleId });
  assert.equal(sent('DELETE', `/v3/grants/${identifier}/messages/schedules/${scheduleId}`).status, 202);
  assert.ok(stopped.data.message.length > 10);
  const closed = await nylas.messages.findScheduledMessage({ identifier, scheduleId });
  assert.equal(closed.data.status.code, 'cancelled');
  assert.equal(typeof closed.data.closeTime, 'number');
  await fails(nylas.messages.findScheduledMessage({ identifier, scheduleId: 'none' }), 404, 'api.not_found_error');
  await fails(nylas.messages.send({ identifier, requestBody: { to: [{ email: otherUser }], subject: 'x', body: 'x', sendAt: sendAt - 3590 } }), 400, 'api.invalid_request_error');
});

test('cleaned messages', async () => {
  const identifier = mailbox.grantId;
  const { data } = await nylas.messages.list({ identifier, queryParams: { limit: 2 } });
  const ids = data.map((message) => message.id);
  const cleaned = await nylas.messages.cleanMessages({ identifier, requestBody: { messageId: ids, ignoreLinks: false, imagesAsMarkdown: true, removeConclusionPhrases: false } });
  assert.deepEqual(JSON.parse(sent('PUT', `/v3/grants/${identifier}/messages/clean`).body), { message_id: ids, ignore_links: false, images_as_markdown: true, remove_conclusion_phrases: false });
  assert.deepEqual(cleaned.data.map((message) => message.id), ids);
  for (const message of cleaned.data) assert.ok(typeof message.conversation === 'string' && message.grantId === identifier);
  await fails(nylas.messages.cleanMessages({ identifier, requestBody: { messageId: [] } }), 400, 'api.invalid_request_error');
});

test('a smaller consent reads no mail', async () => {
  const { tokens } = await connect(otherUser, { scope: ['mail.send'] });
  const error = await fails(nylas.messages.list({ identifier: tokens.grantId, queryParams: { limit: 1 } }), 403, 'insufficient_scopes');
  assert.match(error.message, /[Rr]ead/);
  await nylas.grants.destroy({ grantId: tokens.grantId });
});

test('consent that is refused, and requests that are wrong', async () => {
  const { told } = await connect(otherUser, {}, { answer: 'deny' });
  assert.equal(told.get('error'), 'access_denied');
  assert.ok(told.get('error_description'));
  assert.equal(told.get('code'), null);
  const wrong = nylas.auth.urlForOAuth2({ clientId: env.POSTERN_CLIENT_ID, redirectUri: 'http://localhost:9007/another', provider: 'sandbox' });
  const answer = await realFetch(wrong, { redirect: 'manual' });
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.get('location'), null);
  assert.equal((await answer.json()).error.type, 'grant.callback_uri_not_allowed');
});

test('refresh', async () => {
  const renewed = await nylas.auth.refreshAccessToken({ clientId: env.POSTERN_CLIENT_ID, redirectUri: callback, refreshToken: mailbox.refreshToken });
  assert.equal(JSON.parse(sent('POST', '/v3/connect/token').body).grant_type, 'refresh_token');
  assert.equal(renewed.grantId, mailbox.grantId);
  assert.equal(renewed.expiresIn, 3600);
  assert.notEqual(renewed.accessToken, mailbox.accessToken);
  assert.equal((await withToken(renewed.accessToken).grants.find({ grantId: 'me' })).data.id, mailbox.grantId);
  mailbox.renewed = renewed.accessToken;
  await failsOAuth(nylas.auth.refreshAccessToken({ clientId: env.POSTERN_CLIENT_ID, redirectUri: callback, refreshToken: 'prt_nothing' }), 'invalid_grant');
  await failsOAuth(new Nylas({ apiKey: 'wrong', apiUri: env.POSTERN_URL }).auth.refreshAccessToken({ clientId: env.POSTERN_CLIENT_ID, redirectUri: callback, refreshToken: mailbox.refreshToken }), 'invalid_client');
});

test('revoking a token', async () => {
  assert.equal(await nylas.auth.revoke(mailbox.renewed), true);
  assert.equal(sent('POST', '/v3/connect/revoke').url.searchParams.get('token'), mailbox.renewed);
  for (const token of [mailbox.renewed, mailbox.accessToken]) await fails(withToken(token).grants.find({ grantId: 'me' }), 401, 'api.authentication_error');
  await failsOAuth(nylas.auth.refreshAccessToken({ clientId: env.POSTERN_CLIENT_ID, redirectUri: callback, refreshToken: mailbox.refreshToken }), 'invalid_grant');
  await failsOAuth(nylas.auth.revoke(mailbox.renewed), 'invalid_token');
  assert.equal((await nylas.grants.find({ grantId: mailbox.grantId })).data.grantStatus, 'valid');
  assert.equal((await nylas.messages.list({ identifier: mailbox.grantId, queryParams: { limit: 1 } })).data.length, 1);
});

test('consent again keeps the grant, and a code used twice ends its tokens', async () => {
  const { tokens, exchange } = await connect(user);
  assert.equal(tokens.grantId, mailbox.grantId);
  assert.equal((await nylas.grants.list({ queryParams: { email: user } })).data.length, 1);
  await receiver.event((d) => d.event.type === 'grant.updated' && d.event.data.object.reauthentication_flag === true);
  await failsOAuth(nylas.auth.exchangeCodeForToken({ ...exchange }), 'invalid_grant');
  await fails(withToken(tokens.accessToken).grants.find({ grantId: 'me' }), 401, 'api.authentication_error');
});

test('webhooks', async () => {
  const id = receiver.webhook.id;
  const list = await nylas.webhooks.list();
  assert.ok(list.data.some((w) => w.id === id));
  assert.ok(list.data.every((w) => w.webhookSecret === undefined));
  const found = await nylas.webhooks.find({ webhookId: id });
  assert.equal(found.data.webhookUrl, receiver.url);
  assert.equal(found.data.webhookSecret, undefined);
  const paused = await nylas.webhooks.update({ webhookId: id, requestBody: { status: 'pause', description: 'paused' } });
  sent('PUT', `/v3/webhooks/${id}`);
  assert.equal(paused.data.status, 'pause');
  const active = await nylas.webhooks.update({ webhookId: id, requestBody: { status: 'active', compressedDelivery: true } });
  assert.equal(active.data.status, 'active');
  assert.equal(active.data.description, 'paused');
  assert.equal(receiver.challenges, 2, 'a way back to active is challenged');
  const rotated = await nylas.webhooks.rotateSecret({ webhookId: id });
  assert.equal(sent('POST', `/v3/webhooks/rotate-secret/${id}`).body, '{}');
  assert.ok(rotated.data.webhookSecret && rotated.data.webhookSecret !== receiver.secret);
  receiver.oldSecret = receiver.secret;
  receiver.secret = rotated.data.webhookSecret;
  const addresses = await nylas.webhooks.ipAddresses();
  assert.ok(Array.isArray(addresses.data.ipAddresses));
  assert.equal(typeof addresses.data.updatedAt, 'number');
  await fails(nylas.webhooks.find({ webhookId: '01234567-89ab-7cde-8f01-23456789abcd' }), 400, '70000');
  await fails(nylas.webhooks.create({ requestBody: { triggerTypes: ['no.such'], webhookUrl: receiver.url } }), 400, 'api.invalid_request_error');
  receiver.answerChallenges = false;
  await fails(nylas.webhooks.create({ requestBody: { triggerTypes: ['grant.created'], webhookUrl: receiver.url } }), 400, '70005');
  receiver.answerChallenges = true;
});

test('callback URIs', async () => {
  const made = await nylas.applications.redirectUris.create({ requestBody: { url: 'https://app.example.com/cb', platform: 'js', settings: { origin: 'https://app.example.com' } } });
  sent('POST', '/v3/applications/redirect-uris');
  assert.equal(made.data.platform, 'js');
  const redirectUriId = made.data.id;
  assert.ok((await nylas.applications.redirectUris.list()).data.some((r) => r.id === redirectUriId));
  assert.equal((await nylas.applications.redirectUris.find({ redirectUriId })).data.settings.origin, 'https://app.example.com');
  const changed = await nylas.applications.redirectUris.update({ redirectUriId, requestBody: { url: 'https://app.example.com/other', platform: 'js' } });
  sent(last().method, `/v3/applications/redirect-uris/${redirectUriId}`);
  assert.equal(changed.data.url, 'https://app.example.com/other');
  const android = await nylas.applications.redirectUris.create({ requestBody: { url: 'com.example.app:/cb', platform: 'android', settings: { packageName: 'com.example.app', sha1CertificateFingerprint: 'AA:BB' } } });
  assert.equal(android.data.settings.packageName, 'com.example.app');
  for (const id of [redirectUriId, android.data.id]) await nylas.applications.redirectUris.destroy({ redirectUriId: id });
  await fails(nylas.applications.redirectUris.find({ redirectUriId }), 404, 'api.not_found_error');
  await fails(nylas.applications.redirectUris.create({ requestBody: { url: 'http://app.example.com/cb', platform: 'web' } }), 400, 'api.invalid_request_error');
});

test('connectors', async () => {
  const before = (await nylas.connectors.list({})).data.map((c) => c.provider);
  assert.ok(before.includes('sandbox') && before.includes('imap'));
  const made = await nylas.connectors.create({ requestBody: { name: 'Google', provider: 'google', settings: { clientId: 'an id', clientSecret: 'a secret', topicName: 'topic' }, scope: ['openid'] } });
  assert.equal(made.data.provider, 'google');
  assert.deepEqual(made.data.settings, { topicName: 'topic' });
  await fails(nylas.connectors.create({ requestBody: { name: 'again', provider: 'google', settings: { clientId: 'an id', clientSecret: 'a secret' } } }), 400, 'api.invalid_request_error');
  const changed = await nylas.connectors.update({ provider: 'google', requestBody: { name: 'Google, renamed', scope: ['openid', 'email'] } });
  sent('PUT', '/v3/connectors/google');
  assert.deepEqual(changed.data.scope, ['openid', 'email']);
  assert.equal((await nylas.connectors.find({ provider: 'google' })).data.name, 'Google, renamed');
  await nylas.connectors.destroy({ provider: 'google' });
  await fails(nylas.connectors.find({ provider: 'google' }), 404, 'api.not_found_error');
});

test('credentials', async () => {
  await nylas.connectors.create({ requestBody: { name: 'Google', provider: 'google', settings: { clientId: 'an id', clientSecret: 'a secret' } } });
  const { credentials } = nylas.connectors;
  const made = await credentials.create({ provider: 'google', requestBody: { name: 'Their own app', credentialType: 'connector', credentialData: { clientId: 'their id', clientSecret: 'their secret' } } });
  const { body } = sent('POST', '/v3/connectors/google/creds');
  assert.equal(JSON.parse(body).credential_data.client_id, 'their id');
  assert.equal(made.data.name, 'Their own app');
  assert.ok(made.data.createdAt > 0 && !JSON.stringify(made).includes('their secret') && !JSON.stringify(made).includes('their id'));
  const credentialsId = made.data.id;
  const listed = await credentials.list({ provider: 'google', queryParams: { limit: 10, sortBy: 'createdAt' } });
  assert.deepEqual(listed.data.map((c) => c.id), [credentialsId]);
  const changed = await credentials.update({ provider: 'google', credentialsId, requestBody: { name: 'Renamed' } });
  sent('PATCH', `/v3/connectors/google/creds/${credentialsId}`);
  assert.equal(changed.data.name, 'Renamed');
  assert.equal((await credentials.find({ provider: 'google', credentialsId })).data.name, 'Renamed');
  await fails(credentials.create({ provider: 'google', requestBody: { name: 'Admin', credentialType: 'adminconsent', credentialData: { clientId: 'a', clientSecret: 'b' } } }), 400, 'api.invalid_request_error');
  await credentials.destroy({ provider: 'google', credentialsId });
  await fails(credentials.find({ provider: 'google', credentialsId }), 404, 'api.not_found_error');
  await nylas.connectors.destroy({ provider: 'google' });
});

test('detect', async () => {
  const { data } = await nylas.auth.detectProvider({ email: user });
  const note = sent('POST', '/v3/providers/detect');
  assert.equal(note.url.searchParams.get('email'), user);
  assert.equal(note.body, '');
  assert.deepEqual([data.emailAddress, data.detected, data.provider], [user, true, 'sandbox']);
  assert.equal((await nylas.auth.detectProvider({ email: 'ada@gmail.com', allProviderTypes: true })).data.provider, 'google');
});

test('deleting the grant', async () => {
  await nylas.grants.destroy({ grantId: mailbox.grantId });
  sent('DELETE', `/v3/grants/${mailbox.grantId}`);
  await fails(nylas.grants.find({ grantId: mailbox.grantId }), 404, 'api.not_found_error');
  await fails(nylas.messages.list({ identifier: mailbox.grantId }), 404, 'api.not_found_error');
  await fails(nylas.grants.destroy({ grantId: mailbox.grantId }), 404, 'api.not_found_error');
  const delivery = await receiver.event((d) => d.event.type === 'grant.deleted' && d.event.data.object.grant_id === mailbox.grantId);
  assert.equal(delivery.headers['content-encoding'], 'gzip');
  assert.ok(same(delivery.signature, signatureOf(receiver.secret, delivery.raw)), 'the new secret signs the compressed bytes');
  assert.ok(!same(delivery.signature, signatureOf(receiver.oldSecret, delivery.raw)), 'the old secret has ended');
  const { tokens } = await connect(user);
  assert.notEqual(tokens.grantId, mailbox.grantId, 'the next consent makes a new grant');
  await nylas.grants.destroy({ grantId: tokens.grantId });
});

test('deleting the webhook', async () => {
  const gone = await nylas.webhooks.destroy({ webhookId: receiver.webhook.id });
  assert.equal(gone.data.status, 'success');
  await fails(nylas.webhooks.find({ webhookId: receiver.webhook.id }), 400, '70000');
});

test('a wrong key', async () => {
  const stranger = new Nylas({ apiKey: 'wrong', apiUri: env.POSTERN_URL });
  await fails(stranger.grants.list(), 401, 'api.authentication_error');
  await fails(stranger.applications.getDetails(), 401, 'api.authentication_error');
});

test('every method that is served was called', () => {
  assert.deepEqual([...uncalled].sort(), notServed.sort());
});

test('what went over the wire', () => {
  const ours = wire.filter((note) => note.url.origin === new URL(env.POSTERN_URL).origin);
  assert.ok(ours.length > 60);
  for (const note of ours) {
    assert.match(note.url.pathname, /^\/v3\//);
    assert.equal(note.headers['user-agent'], 'Nylas Node SDK v8.4.0');
    assert.ok(note.status < 500, `${note.method} ${note.url.pathname} answered ${note.status}`);
    assert.notEqual(note.status, 204);
    assert.match(note.requestId ?? '', /^[0-9a-f-]{36}$/);
  }
});
