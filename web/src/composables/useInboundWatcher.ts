import { nextTick, onBeforeUnmount, watch, type Ref } from 'vue'
import { useTicket } from '@/stores/ticket'

/**
 * Notes when the newest customer message has really been on screen. Only then may a reply claim to know it;
 * one that arrived out of sight still sets off the server's guard.
 */
export function useInboundWatcher(box: Ref<HTMLElement | undefined>, rows: Ref<unknown>): void {
  const store = useTicket()
  let observer: IntersectionObserver | undefined

  function lookFor(id: string | null | undefined): void {
    observer?.disconnect()
    if (!id || id === store.seenInboundId) return
    const element = box.value?.querySelector(`[data-message-id="${CSS.escape(id)}"]`)
    if (!element) return
    observer = new IntersectionObserver(
      (entries) => {
        if (document.hidden || !entries.some((entry) => entry.isIntersecting)) return
        observer?.disconnect()
        store.sawInbound(id)
      },
      { root: box.value ?? null },
    )
    observer.observe(element)
  }

  const look = (): void => void nextTick(() => lookFor(store.ticket?.last_inbound_id))
  watch([() => store.ticket?.last_inbound_id, rows], look, { flush: 'post' })
  document.addEventListener('visibilitychange', look)
  onBeforeUnmount(() => {
    observer?.disconnect()
    document.removeEventListener('visibilitychange', look)
  })
}
