import { nextTick, onBeforeUnmount, watch, type Ref } from 'vue'
import { useTicket } from '@/stores/ticket'

/**
 * Notes when the newest message, and the customer's newest, have really been on screen. Only then may a reply
 * claim to know them; one that arrived out of sight still sets off the server's guard.
 */
export function useSeenWatcher(box: Ref<HTMLElement | undefined>, rows: Ref<unknown>): void {
  const store = useTicket()
  let observer: IntersectionObserver | undefined

  function look(): void {
    observer?.disconnect()
    const unseen = [...new Set([store.ticket?.last_inbound_id, store.messages.at(-1)?.id])].filter((id): id is string => Boolean(id) && !store.hasSeen(id!))
    if (unseen.length === 0) return
    observer = new IntersectionObserver(
      (entries) => {
        if (document.hidden) return
        for (const entry of entries) if (entry.isIntersecting) store.saw((entry.target as HTMLElement).dataset.messageId!)
      },
      { root: box.value ?? null },
    )
    for (const id of unseen) {
      const element = box.value?.querySelector(`[data-message-id="${CSS.escape(id)}"]`)
      if (element) observer.observe(element)
    }
  }

  const lookSoon = (): void => void nextTick(look)
  watch([() => store.ticket?.last_inbound_id, rows], lookSoon, { flush: 'post' })
  document.addEventListener('visibilitychange', lookSoon)
  onBeforeUnmount(() => {
    observer?.disconnect()
    document.removeEventListener('visibilitychange', lookSoon)
  })
}
