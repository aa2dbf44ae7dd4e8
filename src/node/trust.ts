/**
 * Authorities that are trusted besides those that Node trusts by itself, `NODE_EXTRA_CA_CERTS` among them.
 */
import * as Effect from "effect/Effect"
import { X509Certificate } from "node:crypto"
import * as tls from "node:tls"
import { InvalidConfig } from "../FilesError.ts"

export type CaOption = string | Uint8Array | ReadonlyArray<string | Uint8Array> | undefined

const isList = (ca: CaOption): ca is ReadonlyArray<string | Uint8Array> => Array.isArray(ca)

/** Made once: a context of a hundred certificates takes milliseconds, and each connection needs one. */
export const secureContextOf = (ca: CaOption): Effect.Effect<tls.SecureContext | undefined, InvalidConfig> => {
  if (ca === undefined || ca === null) return Effect.undefined
  return Effect.try({
    try: () => {
      const given = (isList(ca) ? ca : [ca]).map((pem) => typeof pem === "string" ? pem : Buffer.from(pem))
      // It throws at what is not a certificate, which a context passes over.
      const added = given.map((pem) => ({ pem, first: new X509Certificate(pem) }))
      return tls.createSecureContext({ ca: [...tls.getCACertificates("default"), ...added.map(({ pem }) => pem)] })
    },
    catch: () =>
      new InvalidConfig({ option: "ca", message: "ca holds something that is not a certificate in PEM form." })
  })
}
