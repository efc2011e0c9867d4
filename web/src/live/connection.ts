import type { HubEvent, Ticket } from '@/api/types'

export type LiveState = 'connecting' | 'online' | 'waiting' | 'stopped'

export interface LiveHandlers {
  /** The link stands. `resumed` is false where events may have been missed and lists must be read anew. */
  onHello: (resumed: boolean) => void
  onEvents: (events: HubEvent[], tickets: Ticket[]) => void
  /** The server no longer holds what we missed. A hello follows. */
  onReset: () => void
  onState: (state: LiveState, retryAt: number | null) => void
  /** The session is over, or the link was refused several times in a row: it may be. */
  onRefused: () => void
}

export interface LiveOptions {
  url: string
  socket?: typeof WebSocket
  random?: () => number
  now?: () => number
}

/** The server pings every 20 s; two missed ones and some grace mean that the link is dead. */
export const SILENCE_MS = 45_000
/** The server's close code for a session that is over. */
export const SESSION_ENDED = 4401
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** Half of the growing pause is fixed, half is chance, so that a thousand browsers do not return at once. */
export function pauseBefore(attempt: number, random: () => number): number {
  const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt)
  return ceiling / 2 + (ceiling / 2) * random()
}

type Frame =
  | { type: 'hello'; cursor: string }
  | { type: 'events'; cursor: string; events: HubEvent[]; tickets?: Ticket[] }
  | { type: 'reset' }
  | { type: 'ping' }

export class LiveConnection {
  private socket: WebSocket | null = null
  private cursor: string | null = null
  private attempt = 0
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private silenceTimer: ReturnType<typeof setTimeout> | undefined
  private running = false
  private resumed = false
  private readonly random: () => number
  private readonly now: () => number

  constructor(
    private readonly options: LiveOptions,
    private readonly handlers: LiveHandlers,
  ) {
    this.random = options.random ?? Math.random
    this.now = options.now ?? Date.now
  }

  start(): void {
    if (this.running) return
    this.running = true
    this.attempt = 0
    this.open()
  }

  stop(): void {
    this.running = false
    this.cursor = null
    this.drop()
    this.handlers.onState('stopped', null)
  }

  /** The network is said to be back, or someone pressed "retry". */
  retryNow(): void {
    if (!this.running || this.socket?.readyState === 1) return
    this.drop()
    this.attempt = 0
    this.open()
  }

  private open(): void {
    this.handlers.onState('connecting', null)
    const Socket = this.options.socket ?? WebSocket
    const socket = new Socket(this.options.url)
    this.socket = socket
    let opened = false
    this.listenForSilence()
    socket.onopen = () => {
      opened = true
      this.resumed = this.cursor !== null
      socket.send(JSON.stringify({ resume: this.cursor }))
    }
    socket.onmessage = (message: MessageEvent<string>) => {
      if (this.socket !== socket) return
      this.listenForSilence()
      this.take(JSON.parse(message.data) as Frame)
    }
    socket.onclose = (end: CloseEvent) => {
      if (this.socket !== socket) return
      if (end.code === SESSION_ENDED || (!opened && this.attempt >= 1)) this.handlers.onRefused()
      this.retryLater()
    }
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case 'hello':
        this.cursor = frame.cursor
        this.attempt = 0
        this.handlers.onState('online', null)
        this.handlers.onHello(this.resumed)
        this.resumed = true
        return
      case 'events':
        this.cursor = frame.cursor
        this.handlers.onEvents(frame.events, frame.tickets ?? [])
        return
      case 'reset':
        this.cursor = null
        this.resumed = false
        this.handlers.onReset()
        return
      case 'ping':
        return
    }
  }

  private listenForSilence(): void {
    clearTimeout(this.silenceTimer)
    this.silenceTimer = setTimeout(() => {
      this.drop()
      this.retryLater()
    }, SILENCE_MS)
  }

  private retryLater(): void {
    this.drop()
    if (!this.running) return
    const pause = pauseBefore(this.attempt, this.random)
    this.attempt += 1
    this.handlers.onState('waiting', this.now() + pause)
    this.retryTimer = setTimeout(() => this.open(), pause)
  }

  private drop(): void {
    clearTimeout(this.retryTimer)
    clearTimeout(this.silenceTimer)
    const socket = this.socket
    this.socket = null
    if (socket && socket.readyState <= 1) socket.close()
  }
}
