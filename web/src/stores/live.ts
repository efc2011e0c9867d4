import { defineStore } from 'pinia'
import { ref } from 'vue'
import { hub, type HubEvent, type Ticket } from '@/api'
import { API_BASE } from '@/api/http'
import { LiveConnection, type LiveState } from '@/live/connection'

type EventListener = (events: HubEvent[], tickets: Ticket[]) => void
type RefreshListener = () => void

/** The one link to the server's events. Stores subscribe; `onRefresh` fires where something may have been missed. */
export const useLive = defineStore('live', () => {
  const state = ref<LiveState>('stopped')
  const retryAt = ref<number | null>(null)
  const everOnline = ref(false)
  const eventListeners = new Set<EventListener>()
  const refreshListeners = new Set<RefreshListener>()
  let connection: LiveConnection | null = null

  function makeConnection(): LiveConnection {
    const url = `${location.origin.replace(/^http/, 'ws')}${API_BASE}/live`
    return new LiveConnection(
      { url },
      {
        onHello: (resumed) => {
          if (!resumed && everOnline.value) refreshListeners.forEach((listener) => listener())
          everOnline.value = true
        },
        onEvents: (events, tickets) => eventListeners.forEach((listener) => listener(events, tickets)),
        onReset: () => undefined,
        onState: (next, at) => {
          state.value = next
          retryAt.value = at
        },
        // A refused upgrade does not say why; an ordinary request does, and ends the session if it is over.
        onRefused: () => void hub.status().catch(() => undefined),
      },
    )
  }

  function start(): void {
    connection ??= makeConnection()
    connection.start()
  }

  function stop(): void {
    connection?.stop()
    connection = null
    everOnline.value = false
  }

  function subscribe(onEvents: EventListener, onRefresh: RefreshListener): () => void {
    eventListeners.add(onEvents)
    refreshListeners.add(onRefresh)
    return () => {
      eventListeners.delete(onEvents)
      refreshListeners.delete(onRefresh)
    }
  }

  const retryNow = (): void => connection?.retryNow()
  window.addEventListener('online', retryNow)

  return { state, retryAt, everOnline, start, stop, subscribe, retryNow }
})
