# Python 3, with nothing to install. body is bytes: the request's body as it came, before anything has parsed or decompressed it.
# headers have names in small letters; secrets are those that count now: two while a rotation overlaps.
import hashlib
import hmac
import json
import zlib


def open_event(body, headers, *secrets):
    given = headers.get("x-nylas-signature", "").encode()
    genuine = False
    for secret in filter(None, secrets):
        right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        genuine |= hmac.compare_digest(given, right)
    if not genuine:
        return None  # answer 401, and log neither body nor secret
    if headers.get("content-encoding") == "gzip":  # the signature is of the compressed bytes
        body = zlib.decompressobj(wbits=31).decompress(body, 10 << 20)
    return json.loads(body)  # comes at least once: remember its id
