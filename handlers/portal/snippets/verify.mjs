// Node.js, with nothing to install. body is a Buffer: the request's body as it came, before anything has parsed or decompressed it.
// secrets are those that count now: two while a rotation overlaps.
import { createHmac, timingSafeEqual } from "node:crypto";
import { gunzipSync } from "node:zlib";

export function open(body, headers, ...secrets) {
  const given = Buffer.from(headers["x-nylas-signature"] ?? "");
  const genuine = secrets.filter(Boolean).some((secret) => {
    const right = Buffer.from(createHmac("sha256", secret).update(body).digest("hex"));
    return given.length === right.length && timingSafeEqual(given, right);
  });
  if (!genuine) return null; // answer 401, and log neither body nor secret
  const zipped = headers["content-encoding"] === "gzip"; // the signature is of the compressed bytes
  return JSON.parse(zipped ? gunzipSync(body, { maxOutputLength: 10 << 20 }) : body); // comes at least once: remember its id
}
