// `effect/Encoding`, as Effect 4's provider imports it.
export { encode as encodeBase64 } from "effect/encoding/Base64"
