// What the programs that use polkadot-api share: an account that signs, a call, and the output.

import { Keyring } from "@polkadot/api";
import { getPolkadotSigner } from "polkadot-api/signer";

const pair = new Keyring({ type: "sr25519" }).addFromUri("//Alice");

/** The development account of Alice. */
export const alice = {
  address: pair.address,
  signer: getPolkadotSigner(pair.publicKey, "Sr25519", (bytes) => pair.sign(bytes)),
};

/** Builds a call that every party may make. */
export function remark(api, text) {
  return api.tx.System.remark_with_event({ remark: new TextEncoder().encode(text) });
}

/** Encodes a value as JSON, with large integers as strings. */
export function json(value) {
  return JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? inner.toString() : inner));
}
