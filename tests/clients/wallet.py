"""Does what a wallet does, with PyPI's substrate-interface over a node's RPC: reads the state, signs and submits.

It has no code for this chain. Prints one JSON object, which `tests/substrate_client.rs` checks.
"""

import json
import sys

from substrateinterface import Keypair, SubstrateInterface
from substrateinterface.exceptions import SubstrateRequestException


def main(url, seed, party):
    alice, bob = (Keypair.create_from_uri(f"//{name}") for name in ("Alice", "Bob"))
    stranger = Keypair.create_from_seed(seed)
    with SubstrateInterface(url=url) as chain:
        found = read(chain, bob)
        found["stranger"] = stranger.ss58_address
        found |= {"fee": fee(chain, bob), "dry_runs": [dry_run(chain, keys) for keys in (bob, stranger)]}
        found["refused"] = refused(chain, stranger, "System", "remark_with_event", {"remark": "by a stranger"})
        found["remark"] = send(chain, bob, "System", "remark_with_event", {"remark": "by a wallet"})
        change = {"change": {"AddParty": {"party": party, "account": stranger.ss58_address}}}
        found["proposal"] = send(chain, bob, "Council", "propose", change)
        vote = {"motion": found["proposal"]["events"]["Council.Proposed"]["motion"], "approve": True}
        found["forbidden"] = refused(chain, bob, "Council", "vote", vote)
        found["failed"] = send(chain, bob, "Validators", "leave", {})
        found["vote"] = send(chain, alice, "Council", "vote", vote)
        found["welcome"] = send(chain, stranger, "System", "remark_with_event", {"remark": "by a party"})
        found["parties_after"] = parties(chain)
    print(json.dumps(found))


def read(chain, keys):
    """Reads constants, a value, maps, and an account, which has no balance."""
    account = chain.query("System", "Account", [keys.ss58_address]).value
    anchors = chain.query_map("Anchors", "Latest", ignore_decoding_errors=False)
    next_index = chain.rpc_request("system_accountNextIndex", [keys.ss58_address])["result"]
    return {
        "chain": chain.chain,
        "properties": chain.properties,
        "spec_version": chain.runtime_version,
        "pallets": [pallet.name for pallet in chain.metadata.pallets],
        "extensions": list(chain.metadata.get_signed_extensions()),
        "period": chain.get_constant("Quotas", "QuotaPeriod").value,
        "account": {"providers": account["providers"], "nonces": [account["nonce"], next_index]},
        "council": chain.query("Collective", "Members").value,
        "parties": parties(chain),
        "anchors": [[log.value["gateway"], anchor.value["checkpoint"]["size"]] for log, anchor in anchors],
    }


def parties(chain):
    found = chain.query_map("Parties", "Parties", ignore_decoding_errors=False)
    return [party.value for party, _ in found]


def fee(chain, keys):
    call = chain.compose_call("System", "remark_with_event", {"remark": "for a fee"})
    return chain.get_payment_info(call, keys)


def dry_run(chain, keys):
    """Tries a mortal transaction, and returns the encoded result."""
    call = chain.compose_call("System", "remark_with_event", {"remark": "to try"})
    signed = chain.create_signed_extrinsic(call, keys, era={"period": 64})
    return chain.rpc_request("system_dryRun", [signed.data.to_hex()])["result"]


def send(chain, keys, pallet, name, arguments):
    """Signs and submits a mortal transaction, waits until it is final, and returns its result and events."""
    call = chain.compose_call(pallet, name, arguments)
    signed = chain.create_signed_extrinsic(call, keys, era={"period": 64})
    receipt = chain.submit_extrinsic(signed, wait_for_finalization=True)
    events = [event.value["event"] for event in receipt.triggered_events]
    return {
        "success": receipt.is_success,
        "error": receipt.error_message,
        "events": {f"{event['module_id']}.{event['event_id']}": event["attributes"] for event in events},
    }


def refused(chain, keys, pallet, name, arguments):
    """Submits a transaction that the node must reject, and returns the error."""
    try:
        send(chain, keys, pallet, name, arguments)
    except SubstrateRequestException as error:
        return error.args[0]
    return None


main(*sys.argv[1:4])
