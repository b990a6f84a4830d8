"""Verifies a C2SP tlog-proof of an entry: PROOF ENTRY VKEY. Prints one JSON object, or fails.

Written from the texts at c2sp.org (tlog-proof, tlog-checkpoint, signed-note) and RFC 9162 alone. No code of this project.
"""

import base64
import hashlib
import json
import re
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    assert base64.b64encode(data).decode() == text, "base64 in another form"
    return data


def number(text):
    assert re.fullmatch("0|[1-9][0-9]{0,19}", text), f"{text!r} is not a number"
    return int(text)


def open_note(note, vkey):
    """Returns origin, size and root of a checkpoint that the key signed."""
    name, key_id, key = vkey.split("+", 2)
    key = unbase64(key)
    assert key[0] == 1 and len(key) == 33 and sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "not a vkey"
    text, _, signatures = note.rpartition("\n\n")
    assert signatures.endswith("\n") and not re.search("[\x00-\x09\x0b-\x1f]", note), "not a note"
    verified = False
    for line in signatures[:-1].split("\n"):
        mark, signer, signature = line.split(" ")
        assert mark == "\u2014" and signer, "not a signature line"
        signature = unbase64(signature)
        if (signer, signature[:4].hex()) == (name, key_id):
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], f"{text}\n".encode())
            verified = True
    origin, size, root = text.split("\n")[:3]
    assert verified and origin == name, "not signed by the key of this log"
    return origin, number(size), unbase64(root)


def root_of(leaf, index, size, path):
    """Returns the root that an inclusion path leads to (RFC 9162, section 2.1.3.2)."""
    assert index < size, "beyond the end of the log"
    last, node = size - 1, leaf
    for sibling in path:
        assert last > 0 and len(sibling) == 32, "the path is too long"
        if index % 2 or index == last:
            node = sha256(b"\x01", sibling, node)
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01", node, sibling)
        index, last = index >> 1, last >> 1
    assert last == 0, "the path is too short"
    return node


def verify(proof, entry, vkey):
    head, _, note = proof.decode().partition("\n\n")
    first, *lines = head.split("\n")
    extra = unbase64(lines.pop(0)[6:]) if lines[0].startswith("extra ") else b""
    assert first == "c2sp.org/tlog-proof@v1" and lines[0].startswith("index "), "not a proof"
    index = number(lines.pop(0)[6:])
    origin, size, root = open_note(note, vkey)
    leaf = sha256(b"\x00", sha256(entry))
    assert root_of(leaf, index, size, map(unbase64, lines)) == root, "the entry is not in the log"
    return {"origin": origin, "size": size, "index": index, "extra": extra.decode(errors="replace")}


if __name__ == "__main__":
    print(json.dumps(verify(open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read(), sys.argv[3])))
