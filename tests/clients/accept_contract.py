"""Accepts a contract like a wallet, with PyPI's substrate-interface, which has no code for this chain.

Builds the call, signs it with a key that never leaves this process, and submits it. Prints one JSON object, which
`tests/offline_signing.rs` checks.
"""

import json
import sys

from substrateinterface import Keypair, SubstrateInterface


def main(url, contract, content):
    bob = Keypair.create_from_uri("//Bob")
    with SubstrateInterface(url=url) as chain:
        call = chain.compose_call("ServiceContracts", "accept", {"id": contract, "hash": content})
        signed = chain.create_signed_extrinsic(call, bob, era={"period": 64})
        receipt = chain.submit_extrinsic(signed, wait_for_finalization=True)
        found = {
            "success": receipt.is_success,
            "error": receipt.error_message,
            "extensions": list(chain.metadata.get_signed_extensions()),
        }
    print(json.dumps(found))


main(*sys.argv[1:])
