import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LiveConnection, pauseBefore, SESSION_ENDED, SILENCE_MS, type LiveHandlers } from '@/live/connection'
import { event, ticket } from './samples'

class FakeSocket {
  static all: FakeSocket[] = []
  readyState = 0
  sent: string[] = []
  onopen: (() => void) | null = null
  onmessage: ((message: { data: string }) => void) | null = null
  onclose: ((end: { code: number }) => void) | null = null
  constructor(readonly url: string) {
    FakeSocket.all.push(this)
  }
  send(text: string): void {
    this.sent.push(text)
  }
  close(): void {
    this.readyState = 3
  }
  accept(): void {
    this.readyState = 1
    this.onopen?.()
  }
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  breakOff(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code })
  }
  static get last(): FakeSocket {
    return FakeSocket.all.at(-1)!
  }
}

function handlers() {
  return {
    onHello: vi.fn<LiveHandlers['onHello']>(),
    onEvents: vi.fn<LiveHandlers['onEvents']>(),
    onReset: vi.fn<LiveHandlers['onReset']>(),
    onState: vi.fn<LiveHandlers['onState']>(),
    onRefused: vi.fn<LiveHandlers['onRefused']>(),
  }
}

function connect(given = handlers()) {
  const connection = new LiveConnection(
    { url: 'ws://hub.test/live', socket: FakeSocket as unknown as typeof WebSocket, random: () => 1, now: () => 0 },
    given,
  )
  connection.start()
  return { connection, given }
}

beforeEach(() => {
  FakeSocket.all = []
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

describe('the live link', () => {
  it('asks for a fresh start first and hands events on', () => {
    const { given } = connect()
    FakeSocket.last.accept()
    expect(FakeSocket.last.sent).toEqual(['{"resume":null}'])
    FakeSocket.last.say({ type: 'hello', cursor: 'c1' })
    expect(given.onHello).toHaveBeenCalledWith(false)
    FakeSocket.last.say({ type: 'events', cursor: 'c2', events: [event()], tickets: [ticket()] })
    expect(given.onEvents).toHaveBeenCalledWith([event()], [ticket()])
  })

  it('resumes after a break from the last cursor that it saw', () => {
    const { given } = connect()
    FakeSocket.last.accept()
    FakeSocket.last.say({ type: 'hello', cursor: 'c1' })
    FakeSocket.last.say({ type: 'events', cursor: 'c7', events: [] })
    FakeSocket.last.breakOff()
    vi.advanceTimersByTime(500)
    expect(FakeSocket.all).toHaveLength(2)
    FakeSocket.last.accept()
    expect(FakeSocket.last.sent).toEqual(['{"resume":"c7"}'])
    FakeSocket.last.say({ type: 'hello', cursor: 'c7' })
    expect(given.onHello).toHaveBeenLastCalledWith(true)
  })

  it('calls for everything anew once its cursor is too old', () => {
    const { given } = connect()
    FakeSocket.last.accept()
    FakeSocket.last.say({ type: 'hello', cursor: 'c1' })
    FakeSocket.last.breakOff()
    vi.advanceTimersByTime(500)
    FakeSocket.last.accept()
    FakeSocket.last.say({ type: 'reset' })
    expect(given.onReset).toHaveBeenCalledOnce()
    FakeSocket.last.say({ type: 'hello', cursor: 'c900' })
    expect(given.onHello).toHaveBeenLastCalledWith(false)
    FakeSocket.last.breakOff()
    vi.advanceTimersByTime(500)
    FakeSocket.last.accept()
    expect(FakeSocket.last.sent).toEqual(['{"resume":"c900"}'])
  })

  it('waits longer after every failure, within bounds, and starts over once it stands', () => {
    connect()
    const waits = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
    for (const [index, wait] of waits.entries()) {
      FakeSocket.last.breakOff()
      vi.advanceTimersByTime(wait - 1)
      expect(FakeSocket.all).toHaveLength(index + 1)
      vi.advanceTimersByTime(1)
      expect(FakeSocket.all).toHaveLength(index + 2)
    }
    FakeSocket.last.accept()
    FakeSocket.last.say({ type: 'hello', cursor: 'c1' })
    FakeSocket.last.breakOff()
    vi.advanceTimersByTime(500)
    expect(FakeSocket.all).toHaveLength(waits.length + 2)
  })

  it('spreads returning browsers over half of the pause', () => {
    expect(pauseBefore(3, () => 0)).toBe(2000)
    expect(pauseBefore(3, () => 1)).toBe(4000)
  })

  it('takes a silent link for dead, and a ping for life', () => {
    connect()
    FakeSocket.last.accept()
    FakeSocket.last.say({ type: 'hello', cursor: 'c1' })
    vi.advanceTimersByTime(SILENCE_MS - 1)
    FakeSocket.last.say({ type: 'ping' })
    vi.advanceTimersByTime(SILENCE_MS - 1)
    expect(FakeSocket.all).toHaveLength(1)
    vi.advanceTimersByTime(1 + 500)
    expect(FakeSocket.all).toHaveLength(2)
    expect(FakeSocket.all[0]!.readyState).toBe(3)
  })

  it('does not listen to a socket that it has given up', () => {
    const { given } = connect()
    const first = FakeSocket.last
    first.accept()
    first.say({ type: 'hello', cursor: 'c1' })
    vi.advanceTimersByTime(SILENCE_MS + 500)
    first.say({ type: 'events', cursor: 'c5', events: [event()] })
    first.breakOff()
    expect(given.onEvents).not.toHaveBeenCalled()
    expect(FakeSocket.all).toHaveLength(2)
  })

  it('reports a refusal only when it repeats', () => {
    const { given } = connect()
    FakeSocket.last.breakOff()
    expect(given.onRefused).not.toHaveBeenCalled()
    vi.advanceTimersByTime(500)
    FakeSocket.last.breakOff()
    expect(given.onRefused).toHaveBeenCalledOnce()
  })

  it('reports at once that the session is over when the server says so', () => {
    const { given } = connect()
    FakeSocket.last.accept()
    FakeSocket.last.breakOff(SESSION_ENDED)
    expect(given.onRefused).toHaveBeenCalledOnce()
  })

  it('stays stopped', () => {
    const { connection, given } = connect()
    FakeSocket.last.accept()
    connection.stop()
    vi.advanceTimersByTime(SILENCE_MS * 3)
    expect(FakeSocket.all).toHaveLength(1)
    expect(given.onState).toHaveBeenLastCalledWith('stopped', null)
  })
})
