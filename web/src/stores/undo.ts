import { defineStore } from 'pinia'
import { ref } from 'vue'
import type { Attachment, Message } from '@/api'
import type { Draft } from '@/lib/drafts'

export interface Restored {
  ticketId: string
  draft: Draft
  attachments: Attachment[]
}

/** The reply that was sent last and can still be taken back, with what is needed to go on writing it. */
export const useUndo = defineStore('undo', () => {
  const message = ref<Message | null>(null)
  const kept = ref<Restored | null>(null)
  const restored = ref<Restored | null>(null)

  function offer(sent: Message, draft: Restored): void {
    message.value = sent
    kept.value = draft
  }
  function dismiss(): void {
    message.value = null
    kept.value = null
  }
  function restore(): void {
    restored.value = kept.value
    dismiss()
  }
  return { message, restored, offer, dismiss, restore }
})
