// Passkeys (WebAuthn Level 3). A form with data-passkey="signin" or "enrol" names two addresses:
//   data-begin   POST, JSON {"name": "..."} or {}  -> {"publicKey": {...}} as the server's library writes it, base64url in it
//   data-finish  POST, JSON of the credential      -> {"next": "/path"}
// A refusal is any other status, with {"message": "..."} to show.

const bytes = (text) => {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
};
const text = (buffer) => {
  let plain = "";
  for (const b of new Uint8Array(buffer)) plain += String.fromCharCode(b);
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};
const descriptors = (list) => (list ?? []).map((d) => ({ ...d, id: bytes(d.id) }));

function creation(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: descriptors(options.excludeCredentials),
  };
}
function request(options) {
  return { ...options, challenge: bytes(options.challenge), allowCredentials: descriptors(options.allowCredentials) };
}
function encoded(credential) {
  const r = credential.response;
  const response = { clientDataJSON: text(r.clientDataJSON) };
  if (r.attestationObject) {
    response.attestationObject = text(r.attestationObject);
    response.transports = r.getTransports?.() ?? [];
  } else {
    response.authenticatorData = text(r.authenticatorData);
    response.signature = text(r.signature);
    response.userHandle = r.userHandle ? text(r.userHandle) : null;
  }
  return {
    id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

class Refused extends Error {}

async function post(url, body) {
  let reply;
  try {
    reply = await fetch(url, {
      method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body), credentials: "same-origin", redirect: "error",
    });
  } catch {
    throw new Refused("Postern could not be reached. Check the connection, then try again.");
  }
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Refused(answer.message || answer.detail || "Postern refused this passkey. Reload the page, then try again.");
  return answer;
}

function reason(error, enrol) {
  if (error instanceof Refused) return error.message;
  if (error.name === "InvalidStateError") return "This device already holds a passkey for this account. Use another device or security key.";
  if (error.name === "SecurityError") return "The browser does not allow passkeys at this address. Open Postern under its own name over HTTPS.";
  if (error.name === "NotAllowedError")
    return enrol ? "No passkey was made: the request was closed or took too long." : "No passkey was used: the request was closed or took too long.";
  return "The browser could not use a passkey here. Try another browser or a security key.";
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const enrol = form.dataset.passkey === "enrol";
  const status = form.querySelector("[data-passkey-status]");
  const say = (message) => {
    status.textContent = message;
    status.hidden = !message;
  };
  if (!window.PublicKeyCredential) {
    say("This browser has no passkeys. Use a current browser, over HTTPS or on this machine.");
    continue;
  }
  const button = form.querySelector("button[type=submit]");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    button.disabled = true;
    try {
      const name = form.elements.namedItem("name")?.value;
      const { publicKey } = await post(form.dataset.begin, enrol ? { name } : {});
      const credential = enrol
        ? await navigator.credentials.create({ publicKey: creation(publicKey) })
        : await navigator.credentials.get({ publicKey: request(publicKey) });
      const { next } = await post(form.dataset.finish, encoded(credential));
      // Only a path of our own: "//host" and "/\host" are other people's.
      location.assign(/^\/(?![/\\])/.test(next ?? "") ? next : "/");
    } catch (error) {
      say(reason(error, enrol));
      button.disabled = false;
    }
  });
}
