/**
 * The requests to one origin that are under way: as many as the agent keeps sockets, and the others wait in order.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { IsWithinBody } from "../internal/request/ownRequest.ts"
import { CurrentSilence } from "../internal/request/silence.ts"
import { after } from "../internal/timer.ts"

/**
 * None of those under way has ended for this long. They may all be waiting for what those that wait are to
 * bring, answers that are read at the pace of further requests for example: one more is let in. Milliseconds.
 */
const standstill = 5_000

export class Pool {
  private readonly size: number
  /** The pool's size, and what a standstill has added to it. */
  private limit: number
  private running = 0
  private ended = 0
  private readonly waiting = new Set<() => void>()
  private cancelWatchdog: (() => void) | undefined

  constructor(size: number) {
    this.size = size
    this.limit = size
  }

  /**
   * Starts a request once there is a place for it, so that the agent always has a socket or makes one. At once, where
   * one that runs is waiting for it.
   *
   * @returns what takes a waiting one out again
   */
  enter(context: Context.Context<never>, start: () => void): () => void {
    if (this.running < this.limit || Context.get(context, IsWithinBody)) {
      this.running++
      start()
      return () => {}
    }
    const endPause = Context.get(context, CurrentSilence)?.pause()
    const begin = () => {
      endPause?.()
      start()
    }
    this.waiting.add(begin)
    if (this.cancelWatchdog === undefined) this.watch(Context.get(context, Clock.Clock))
    return () => {
      endPause?.()
      if (this.waiting.delete(begin)) this.calm()
    }
  }

  /** A request that has its place begins anew. */
  again(): void {
    this.running++
  }

  /** A request has ended, and the next one takes its place. */
  leave(): void {
    this.ended++
    const [begin] = this.waiting
    if (begin === undefined || this.running > this.limit) return void this.running--
    this.waiting.delete(begin)
    this.calm()
    begin()
  }

  /** {@link leave}, once its socket is back with the agent. */
  leaveSoon(): void {
    if (this.waiting.size === 0) return void this.running--
    queueMicrotask(() => this.leave())
  }

  /** Nobody waits any more. */
  private calm(): void {
    if (this.waiting.size > 0) return
    this.limit = this.size
    this.cancelWatchdog?.()
    this.cancelWatchdog = undefined
  }

  private watch(clock: Clock.Clock): void {
    const { ended } = this
    this.cancelWatchdog = after(clock, standstill, () => {
      this.cancelWatchdog = undefined
      const [begin] = this.waiting
      if (begin !== undefined && this.ended === ended) {
        this.limit++
        this.running++
        this.waiting.delete(begin)
        begin()
      }
      this.calm()
      if (this.waiting.size > 0) this.watch(clock)
    })
  }
}
