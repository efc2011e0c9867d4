import { ref } from 'vue'
import type { UsedTemplate } from '@/api'

export interface Draft {
  mode: 'reply' | 'note'
  text: string
  note: string
  cc: string[]
  bcc: string[]
  /** The way to answer: a conversation, or one of the customer's other handles. */
  conversationId: string
  template: UsedTemplate | null
  asLinks: boolean
}

export const emptyDraft = (): Draft => ({ mode: 'reply', text: '', note: '', cc: [], bcc: [], conversationId: '', template: null, asLinks: false })

const PREFIX = 'omnihub.draft.'
/** Storage tells nobody when it changes; whoever asks `hasDraft` follows this instead. */
const changes = ref(0)

export const isEmptyDraft = (draft: Draft): boolean =>
  !draft.text.trim() && !draft.note.trim() && draft.cc.length === 0 && draft.bcc.length === 0 && !draft.template

export function loadDraft(ticketId: string, storage: Storage = localStorage): Draft {
  const kept = storage.getItem(PREFIX + ticketId)
  if (!kept) return emptyDraft()
  try {
    return { ...emptyDraft(), ...(JSON.parse(kept) as Partial<Draft>) }
  } catch {
    return emptyDraft()
  }
}

export function saveDraft(ticketId: string, draft: Draft, storage: Storage = localStorage): void {
  if (isEmptyDraft(draft)) storage.removeItem(PREFIX + ticketId)
  else storage.setItem(PREFIX + ticketId, JSON.stringify(draft))
  changes.value += 1
}

export const hasDraft = (ticketId: string, storage: Storage = localStorage): boolean =>
  changes.value >= 0 && storage.getItem(PREFIX + ticketId) !== null
