/**
 * A value that expires and is renewed in time: by one fiber for all that wait, and in the background while the current
 * value still serves.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CredentialsFailed } from "../../FilesError.ts"

/** A value and when it expires. */
export interface Lent<A> {
  readonly value: A
  /** Epoch milliseconds; `undefined` if it doesn't expire. */
  readonly expiresAt: number | undefined
}

export interface Tokens<A> {
  readonly get: Effect.Effect<A, CredentialsFailed>
  /** Reports that a value was refused. It is dropped if it is the current one; a late refusal of an older one is ignored. */
  readonly invalidate: (value: A) => Effect.Effect<void>
}

/** With this much left, a value is renewed in the background. Milliseconds, or a part of a short lifetime. */
const renewal = { most: 120_000, part: 1 / 5 }

/** With this much left, a value doesn't serve any more: it could expire in transit. */
const reserve = { most: 30_000, part: 1 / 20 }

const marginOf = (margin: { readonly most: number; readonly part: number }, lifetime: number): number =>
  Math.min(margin.most, lifetime * margin.part)

/** How long after a failed renewal in the background the next one may begin. Milliseconds. */
const restAfterFailure = 5_000

interface Held<A> {
  readonly value: A
  readonly expiresAt: number
  /** When it was obtained, epoch milliseconds. */
  readonly since: number
}

/** A renewal in progress. */
interface Flight<A> {
  /** The value that no longer served when it began. */
  readonly instead: A | undefined
  readonly done: Deferred.Deferred<A, CredentialsFailed>
}

/**
 * @param acquire receives the value that no longer serves, so that it doesn't return it again from a cache of its own
 */
export const make = <A>(
  acquire: (instead: A | undefined) => Effect.Effect<Lent<A>, CredentialsFailed>,
  isSame: (a: A, b: A) => boolean
): Effect.Effect<Tokens<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let held: Held<A> | undefined
    let refused: A | undefined
    let flight: Flight<A> | undefined
    let failedAt: number | undefined

    const isRefused = (value: A) => refused !== undefined && isSame(value, refused)

    const renew = (instead: A | undefined): Effect.Effect<A, CredentialsFailed> =>
      acquire(instead).pipe(
        Effect.flatMap(({ expiresAt, value }) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            held = { value, expiresAt: expiresAt ?? Infinity, since: now }
            failedAt = undefined
            if (!isRefused(value)) refused = undefined
            return value
          })
        ),
        Effect.tapCause((cause) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            failedAt = now
            return Effect.logDebug("A credential could not be renewed", cause)
          })
        )
      )

    // Forked in the shared scope, so that interrupting one waiting fiber does not affect the others.
    const start = (instead: A | undefined): Effect.Effect<Flight<A>> =>
      Effect.uninterruptible(Effect.suspend(() => {
        const current: Flight<A> = { instead, done: Deferred.makeUnsafe() }
        flight = current
        return Effect.map(Effect.forkIn(renew(instead), scope), (fiber) => {
          fiber.addObserver((exit) => {
            if (flight === current) flight = undefined
            Deferred.doneUnsafe(current.done, exit)
          })
          return current
        })
      }))

    const join = (instead: A | undefined) =>
      Effect.suspend(() => flight === undefined ? start(instead) : Effect.succeed(flight))

    const wait: Effect.Effect<A, CredentialsFailed> = Effect.gen(function*() {
      const current = yield* join(held?.value)
      const value = yield* Deferred.await(current.done)
      // This renewal began before the refusal, and its value may have come from a cache.
      return isRefused(value) && current.instead === undefined
        ? yield* Effect.flatMap(join(value), ({ done }) => Deferred.await(done))
        : value
    })

    const renewInBackground = ({ value }: Held<A>, now: number): Effect.Effect<A> =>
      // A clock that was set back must not make the rest longer.
      flight !== undefined || (failedAt !== undefined && now >= failedAt && now - failedAt < restAfterFailure)
        ? Effect.succeed(value)
        : Effect.as(start(value), value)

    return {
      get: Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (held === undefined || isRefused(held.value)) return wait
        const lifetime = held.expiresAt - held.since
        const left = held.expiresAt - now
        if (left <= marginOf(reserve, lifetime)) return wait
        // More is left than the whole lifetime: the clock was set back, and the time of expiry is no longer known.
        return left <= marginOf(renewal, lifetime) || left > lifetime
          ? renewInBackground(held, now)
          : Effect.succeed(held.value)
      }),
      invalidate: (value) =>
        Effect.sync(() => {
          if (held !== undefined && isSame(held.value, value)) refused = value
        })
    }
  })
