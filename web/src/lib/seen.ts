/** Which customer message of which ticket this browser has shown. Bounded; oldest forgotten first. */
const STORE = 'omnihub.seen'
const MOST = 800

export type Seen = Record<string, string>

export function loadSeen(storage: Storage = localStorage): Seen {
  try {
    return JSON.parse(storage.getItem(STORE) ?? '{}') as Seen
  } catch {
    return {}
  }
}

export function withSeen(seen: Seen, ticketId: string, messageId: string): Seen {
  const rest = Object.entries(seen).filter(([id]) => id !== ticketId)
  return Object.fromEntries([...rest, [ticketId, messageId]].slice(-MOST))
}

export const saveSeen = (seen: Seen, storage: Storage = localStorage): void =>
  storage.setItem(STORE, JSON.stringify(seen))
