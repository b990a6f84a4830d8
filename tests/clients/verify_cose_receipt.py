"""Verifies a COSE hash envelope (RFC 9995) with a receipt of inclusion (RFC 9942): STATEMENT ENTRY VKEY.

PyPI's `cwt` decodes both COSE messages and verifies their signatures. The path is computed here, as RFC 9162 says.
Prints one JSON object, or fails. It has no code of this project.
"""

import base64
import hashlib
import json
import sys

import cbor2
from cwt import COSE, COSEKey

ALG, KID, CLAIMS, PAYLOAD_HASH_ALG, PREIMAGE_TYPE, RECEIPTS, VDS, VDP = 1, 4, 15, 258, 259, 394, 395, 396
EDDSA, SHA256, RFC9162_SHA256, INCLUSION = -8, -16, 1, -1


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


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


def verify(statement, entry, vkey):
    digest = sha256(entry)
    origin, key_id, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)[1:]
    key = COSEKey.new({1: 1, 2: bytes.fromhex(key_id), 3: EDDSA, -1: 6, -2: key})
    cose = COSE.new(verify_kid=True)

    protected, unprotected, payload = cose.decode_with_headers(statement, key)
    assert protected[ALG] == EDDSA and protected[CLAIMS][1] == origin, "the statement is of another log"
    assert protected[PAYLOAD_HASH_ALG] == SHA256 and payload == digest, "the statement is of another entry"
    assert not {3, PAYLOAD_HASH_ALG, PREIMAGE_TYPE} & unprotected.keys() and 3 not in protected, "not a hash envelope"
    [receipt] = unprotected[RECEIPTS]

    # The payload of a receipt is the root. It is detached, so the signature is valid only for the root that the path
    # leads to.
    _, proofs, payload, _ = cbor2.loads(receipt).value
    [proof] = proofs[VDP][INCLUSION]
    size, index, path = cbor2.loads(proof)
    assert payload is None and path, "not a receipt of inclusion with a detached payload"
    root = root_of(sha256(b"\x00", digest), index, size, path)
    signed, _, _ = cose.decode_with_headers(receipt, key, detached_payload=root)
    assert signed[ALG] == EDDSA and signed[VDS] == RFC9162_SHA256, "another kind of receipt"
    assert signed[CLAIMS][1] == origin, "the receipt is of another log"
    limits, preimage_type = protected["limits"], protected[PREIMAGE_TYPE]
    return {"origin": origin, "size": size, "index": index, "limits": limits, "type": preimage_type}


if __name__ == "__main__":
    print(json.dumps(verify(open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read(), sys.argv[3])))
