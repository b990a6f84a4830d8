"""Changes every bit of a proof, one at a time, and verifies each changed proof: VERIFIER PROOF ENTRY VKEY.

VERIFIER is the name of a program of this folder with a function `verify`. Prints one JSON object with the number of
changed proofs and the offsets of the bytes that could be changed without being refused.
"""

import importlib
import json
import sys


def is_accepted(verify, proof, entry, vkey):
    try:
        verify(proof, entry, vkey)
        return True
    except Exception:
        return False


def main(verifier, proof, entry, vkey):
    verify = importlib.import_module(verifier).verify
    proof, entry = (open(path, "rb").read() for path in (proof, entry))
    assert is_accepted(verify, proof, entry, vkey), "the proof itself is refused"
    accepted, tried = set(), 0
    for at in range(len(proof)):
        for bit in range(8):
            changed = bytearray(proof)
            changed[at] ^= 1 << bit
            tried += 1
            if is_accepted(verify, bytes(changed), entry, vkey):
                accepted.add(at)
    print(json.dumps({"tried": tried, "accepted": sorted(accepted)}))


main(*sys.argv[1:])
